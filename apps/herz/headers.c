/* Headers of a command line: see headers.h. */
#include "apps/herz/headers.h"

#include <stdlib.h>
#include <string.h>

#include "apps/common/exits.h"

/* "Name: value" with blanks around the value dropped. `out` points into `text`, which is cut. */
static bool split_header(char *text, struct herz_header *out) {
  char *colon = strchr(text, ':');
  if (!colon || colon == text) return false;
  *colon = '\0';
  char *value = colon + 1;
  value += strspn(value, " \t");
  size_t len = strlen(value);
  while (len && (value[len - 1] == ' ' || value[len - 1] == '\t')) value[--len] = '\0';
  *out = (struct herz_header){text, value};
  return true;
}

int headers_make(struct headers *h, const struct args_list *list) {
  for (; h->count < list->count; h->count++) {
    uint32_t i = h->count;
    h->copies[i] = strdup(list->items[i]);
    if (!h->copies[i] || !split_header(h->copies[i], &h->items[i])) {
      return fail(EXIT_USAGE, "-H %s: give NAME:VALUE", list->items[i]);
    }
  }
  return EXIT_OK;
}

void headers_free(struct headers *h) {
  for (uint32_t i = 0; i < ARGS_LIST_MAX; i++) {
    free(h->copies[i]);
  }
  *h = (struct headers){.count = 0};
}
