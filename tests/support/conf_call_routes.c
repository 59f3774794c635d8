/* The routes that the cases call. */
#include <herz/web.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <herz/hub.h>

#include "tests/support/conf_call.h"

static void user(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_map(c, "id", herz_str(c, herz_param(c, "id"))));
}

static void echo(herz_ctx *c) {
  size_t len;
  const void *body = herz_body(c, &len, NULL);
  herz_reply_bytes(c, HERZ_OK, NULL, body, len);
}

/* What arrived beside the body. */
static void show(herz_ctx *c) {
  herz_set_header(c, "x-back", herz_header(c, "X-There") != NULL ? herz_header(c, "x-there") : "");
  herz_reply_text(c, HERZ_OK, herz_query(c, "q") != NULL ? herz_query(c, "q") : "");
}

static void fail(herz_ctx *c) {
  herz_panic(c, "on purpose");
}

static void ended(void *arg) {
  ((struct conf_calls *)arg)->ends++;
}

/* Answers when the test completes it, or never. */
static void later(herz_ctx *c) {
  struct conf_calls *f = herz_arg(c);
  herz_on_end(c, ended, f);
  HERZ_ENSURE(c, f->promised < sizeof(f->promises) / sizeof(f->promises[0]));
  f->promises[f->promised++] = herz_defer(c);
}

struct making {
  struct conf_calls *f;
  size_t at, total;
  bool breaks;
};

static long make(void *arg, void *dst, size_t cap) {
  struct making *m = arg;
  size_t n = m->total - m->at < cap ? m->total - m->at : cap;
  for (size_t i = 0; i < n; i++) ((uint8_t *)dst)[i] = conf_byte(m->at + i);
  m->at += n;
  m->f->produced += n;
  return n == 0 && m->breaks ? HERZ_EIO : (long)n;
}

static void make_bytes(herz_ctx *c) {
  struct conf_calls *f = herz_arg(c);
  struct making *m = herz_alloc(c, sizeof(*m));
  HERZ_ENSURE(c, m != NULL);
  *m = (struct making){.f = f, .total = strtoull(herz_param(c, "n"), NULL, 10)};
  m->breaks = herz_query(c, "break") != NULL;
  herz_on_end(c, ended, f);
  herz_reply_stream(c, HERZ_OK, NULL, make, m);
}

struct trailing {
  herz_ctx *c;
  size_t left;
  int count;
  uint64_t sum;
};

/* What follows is known when the last byte has been made. */
static long make_and_sum(void *arg, void *dst, size_t cap) {
  struct trailing *t = arg;
  size_t n = t->left < cap ? t->left : cap;
  char name[24], value[32];
  for (size_t i = 0; i < n; i++) t->sum += ((uint8_t *)dst)[i] = conf_byte(i);
  t->left -= n;
  for (int i = 0; n == 0 && i < t->count; i++) {
    (void)snprintf(name, sizeof(name), "x-sum-%d", i);
    (void)snprintf(value, sizeof(value), "%llu \xc3\xa9", (unsigned long long)t->sum);
    HERZ_ENSURE(t->c, herz_trailer(t->c, name, value) == 0);
  }
  return (long)n;
}

/* `n` bytes, and `count` fields behind them, one of which was known before. */
static void trail(herz_ctx *c) {
  struct trailing *t = herz_alloc(c, sizeof(*t));
  HERZ_ENSURE(c, t != NULL);
  *t = (struct trailing){.c = c, .left = strtoull(herz_param(c, "n"), NULL, 10)};
  t->count = atoi(herz_param(c, "count"));
  HERZ_ENSURE(c, herz_trailer(c, "content-length", "1") == HERZ_EINVAL);
  HERZ_ENSURE(c, herz_trailer(c, "x-early", "1") == 0);
  herz_set_header(c, "trailer", "x-early, x-sum-0");
  herz_reply_stream(c, HERZ_OK, NULL, make_and_sum, t);
}

struct taking {
  struct conf_calls *f;
  size_t got;
  bool exact;
};

static bool take(herz_ctx *c, const void *data, size_t len, bool fin, void *arg) {
  struct taking *t = arg;
  for (size_t i = 0; i < len; i++) {
    t->exact = t->exact && ((const uint8_t *)data)[i] == conf_byte(t->got + i);
  }
  t->got += len;
  t->f->consumed = t->got;
  if (fin) {
    herz_reply(c, t->exact ? HERZ_OK : HERZ_BAD_REQUEST, herz_map(c, "got", herz_uint(c, t->got)));
    return true;
  }
  t->f->reader = t->f->hold ? c : NULL;
  return !t->f->hold;
}

static void take_bytes(herz_ctx *c) {
  struct taking *t = herz_alloc(c, sizeof(*t));
  HERZ_ENSURE(c, t != NULL);
  *t = (struct taking){.f = herz_arg(c), .exact = true};
  herz_on_body(c, take, t);
}

/* The status of the path, with a body whether or not it may have one. */
static void status(herz_ctx *c) {
  herz_reply_text(c, atoi(herz_param(c, "n")), "body");
}

/* Headers that are not a handler's to set, and one that is. */
static void odd(herz_ctx *c) {
  herz_set_header(c, "Content-Length", "99");
  herz_set_header(c, "transfer-encoding", "chunked");
  herz_set_header(c, "Connection", "close");
  herz_set_header(c, "upgrade", "x");
  herz_set_header(c, "X-Own", "1");
  herz_reply_text(c, HERZ_OK, "odd");
}

static void value(herz_ctx *c) {
  const herz_value *v = herz_body_value(c);
  if (v == NULL)
    herz_reply_error(c, HERZ_BAD_REQUEST, "no value");
  else
    herz_reply(c, HERZ_OK, v);
}

/* Its deadline is nearer than the caller's. */
static void impatient(herz_ctx *c) {
  herz_set_timeout(c, 100);
  later(c);
}

static void publishes(herz_ctx *c) {
  struct conf_calls *calls = herz_arg(c);

  if (herz_publish_text(calls->server, "news/handler", herz_path(c)) == 0)
    herz_reply_text(c, HERZ_OK, "published");
}

static bool is_no_secret(const struct herz_asker *who, void *arg) {
  (void)arg;
  return who->conn != 0 && who->peer.address != NULL && strncmp(who->topic, "secret/", 7) != 0;
}

void conf_routes(struct conf_calls *c) {
  herz_app *app = c->server;
  int err = 0;
  herz_use(app, herz_recovery);
  err |= herz_get(app, "/users/:id", user);
  err |= herz_post(app, "/echo", echo);
  err |= herz_get(app, "/show", show);
  err |= herz_get(app, "/fail", fail);
  err |= herz_get(app, "/status/:n", status);
  err |= herz_get(app, "/odd", odd);
  err |= herz_post(app, "/value", value);
  err |= herz_route(app, "GET", "/publish", publishes, c);
  err |= herz_may_subscribe(app, is_no_secret, c) | herz_may_publish(app, is_no_secret, c);
  err |= herz_route(app, "GET", "/later", later, c);
  err |= herz_route(app, "GET", "/impatient", impatient, c);
  err |= herz_route(app, "GET", "/make/:n", make_bytes, c);
  err |= herz_get(app, "/trail/:n/:count", trail);
  err |= herz_route_stream(app, "POST", "/take", take_bytes, c);
  CONF_CHECK(err == 0, "%s", herz_error(app));
}
