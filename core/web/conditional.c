/* Validators and what requests ask about them. */
#include "core/web/conditional.h"

#include <string.h>
#include <strings.h>

#include "core/web/date.h"

static bool is_weak(const char *etag) {
  return etag[0] == 'W';
}

static const char *opaque(const char *etag) {
  return is_weak(etag) ? etag + 2 : etag;
}

bool hz_etag_listed(const char *list, const char *etag, bool weak) {
  const char *mine = opaque(etag);
  size_t mine_len = strlen(mine);

  for (const char *p = list + strspn(list, " \t,"); *p != '\0'; p += strspn(p, " \t,")) {
    if (*p == '*') return true;
    bool other_weak = p[0] == 'W' && p[1] == '/';
    if (other_weak) p += 2;
    if (*p != '"') return false;
    const char *end = strchr(p + 1, '"');
    if (end == NULL) return false;
    size_t len = (size_t)(end + 1 - p);
    if (len == mine_len && memcmp(p, mine, len) == 0 && (weak || (!other_weak && !is_weak(etag)))) {
      return true;
    }
    p = end + 1;
    if (*p != '\0' && strchr(" \t,", *p) == NULL) return false;
  }
  return false;
}

/* A list may come in several lines of the same name. */
static bool listed(herz_ctx *c, const char *header, const char *etag, bool weak) {
  const char *name, *value;

  for (uint32_t i = 0; herz_header_at(c, i, &name, &value); i++) {
    if (strcasecmp(name, header) == 0 && hz_etag_listed(value, etag, weak)) return true;
  }
  return false;
}

/* Changed since the date of that header? `otherwise` when it has none. */
static bool changed_since(const char *date, const struct hz_validators *v, bool otherwise) {
  int64_t t;

  if (!hz_date_parse(date, v->now, &t)) return otherwise;
  return v->modified > t;
}

int hz_conditions(herz_ctx *c, const struct hz_validators *v) {
  const char *date;

  if (herz_header(c, "if-match") != NULL) {
    if (!listed(c, "if-match", v->etag, false)) return 412;
  } else if ((date = herz_header(c, "if-unmodified-since")) != NULL) {
    if (changed_since(date, v, false)) return 412;
  }
  if (herz_header(c, "if-none-match") != NULL) {
    return listed(c, "if-none-match", v->etag, true) ? 304 : 0;
  }
  date = herz_header(c, "if-modified-since");
  return date != NULL && !changed_since(date, v, true) ? 304 : 0;
}

bool hz_if_range(herz_ctx *c, const struct hz_validators *v) {
  const char *value = herz_header(c, "if-range");
  int64_t t;

  if (value == NULL) return true;
  if (value[0] == '"' || value[0] == 'W') {
    return !is_weak(value) && !is_weak(v->etag) && strcmp(value, v->etag) == 0;
  }
  return v->date_is_sure && hz_date_parse(value, v->now, &t) && t == v->modified;
}
