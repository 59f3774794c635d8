/* Answers with all their headers, for what a web service looks at. */
#ifndef TESTS_UNIT_APP_WEB_UTIL_H
#define TESTS_UNIT_APP_WEB_UTIL_H

#include <stdlib.h>
#include <strings.h>

#include "tests/unit/app/app_util.h"

struct web_answer {
  bool done;
  int err, status;
  uint32_t header_count;
  char names[40][64], values[40][256];
  enum herz_body_kind kind;
  size_t len;
  char body[70000]; /* a value as JSON; with a NUL behind it */
};

static inline void web_head(struct web_answer *a, const struct herz_response *rs) {
  a->status = rs->status;
  a->header_count = rs->header_count;
  cr_assert_leq(rs->header_count, 40);
  for (uint32_t i = 0; i < rs->header_count; i++) {
    (void)snprintf(a->names[i], sizeof(a->names[i]), "%s", rs->headers[i].name);
    (void)snprintf(a->values[i], sizeof(a->values[i]), "%s", rs->headers[i].value);
  }
}

static inline void web_done(const struct herz_response *rs, void *arg) {
  struct web_answer *a = arg;

  cr_assert(!a->done, "done came twice");
  a->done = true;
  a->err = rs->err;
  a->kind = rs->kind;
  web_head(a, rs);
  if (rs->body_len == 0) return;
  cr_assert_lt(rs->body_len, sizeof(a->body));
  if (rs->kind == HERZ_BODY_VALUE) {
    FILE *f = fmemopen(a->body, sizeof(a->body), "w");

    cr_assert_eq(herz_json_print(rs->body, rs->body_len, false, f), 0);
    a->len = (size_t)ftell(f);
    fclose(f);
  } else {
    memcpy(a->body, rs->body, rs->body_len);
    a->len = rs->body_len;
  }
  a->body[a->len] = '\0';
}

/* `headers`: name, value, ... NULL. The answer stands until the next one. */
static inline struct web_answer *web(struct fixture *f, const char *method, const char *path,
                                     const char *const *headers) {
  static struct web_answer a;
  struct herz_header list[16];
  struct herz_request rq = {.method = method, .path = path, .headers = list};

  for (; headers != NULL && headers[0] != NULL; headers += 2) {
    list[rq.header_count++] = (struct herz_header){headers[0], headers[1]};
  }
  memset(&a, 0, sizeof(a));
  int err = herz_call(f->cl, &rq, web_done, &a, NULL);
  cr_assert_eq(err, 0, "%s", herz_strerror(err));
  until(f, &a.done);
  return &a;
}
#define WEB(f, method, path, ...) web(f, method, path, (const char *const[]){__VA_ARGS__, NULL})
#define WEB_GET(f, path) web(f, "GET", path, NULL)

/* The only header of that name; "" when there is none. */
static inline const char *web_header(const struct web_answer *a, const char *name) {
  const char *found = NULL;

  for (uint32_t i = 0; i < a->header_count; i++) {
    if (strcasecmp(a->names[i], name) != 0) continue;
    cr_assert_null(found, "%s came twice", name);
    found = a->values[i];
  }
  return found == NULL ? "" : found;
}

#endif
