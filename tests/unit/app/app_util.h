/* One app that listens and dials itself over the reference transport, and calls that are waited for. */
#ifndef TESTS_UNIT_APP_APP_UTIL_H
#define TESTS_UNIT_APP_APP_UTIL_H

#include <criterion/criterion.h>
#include <herz/herz.h>
#include <stdio.h>
#include <string.h>

struct fixture {
  herz_app *app;
  herz_client *cl;
};

struct result {
  bool done;
  int err, status;
  enum herz_body_kind kind;
  size_t len;
  char body[1024];
  char type[64];
};

static inline void on_done(const struct herz_response *rs, void *arg) {
  struct result *r = arg;

  cr_assert(!r->done, "done came twice");
  r->done = true;
  r->err = rs->err;
  r->status = rs->status;
  r->kind = rs->kind;
  r->len = rs->body_len;
  if (rs->body_len > 0 && rs->body_len < sizeof(r->body)) memcpy(r->body, rs->body, rs->body_len);
  for (uint32_t i = 0; i < rs->header_count; i++) {
    if (strcmp(rs->headers[i].name, "content-type") == 0) {
      (void)snprintf(r->type, sizeof(r->type), "%s", rs->headers[i].value);
    }
  }
}

static inline void until(struct fixture *f, const bool *done) {
  for (int i = 0; i < 20000 && !*done; i++) herz_loop_once(f->app, 10);
  cr_assert(*done, "nothing came");
}

static inline struct result call(struct fixture *f, const struct herz_request *rq) {
  struct result r = {0};
  int err = herz_call(f->cl, rq, on_done, &r, NULL);

  cr_assert_eq(err, 0, "%s", herz_strerror(err));
  until(f, &r.done);
  return r;
}

static inline struct result get(struct fixture *f, const char *path) {
  return call(f, &(struct herz_request){.path = path});
}

static inline struct fixture start(void (*routes)(herz_app *), const char *config) {
  struct fixture f = {.app = herz_app_new(config)};

  cr_assert_not_null(f.app);
  cr_assert_eq(herz_set(f.app, "log.level", "off"), 0);
  routes(f.app);
  cr_assert_eq(herz_listen(f.app, "mem://test", NULL, 0), 0, "%s", herz_error(f.app));
  f.cl = herz_dial(f.app, "mem://test", NULL);
  cr_assert_not_null(f.cl, "%s", herz_error(f.app));
  return f;
}

#endif
