/* Two apps on the simulated network. */
#include "tests/support/app_pair.h"

#include <criterion/criterion.h>
#include <herz/web.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/app/app.h"
#include "core/app/client.h"
#include "tests/support/quic_identity.h"

void (*ap_more_routes)(herz_app *server);

static void user(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_map(c, "id", herz_str(c, herz_param(c, "id"))));
}

static void echo(herz_ctx *c) {
  size_t len;
  const void *body = herz_body(c, &len, NULL);

  herz_reply_bytes(c, HERZ_OK, NULL, body, len);
}

/* How many fields it saw. */
static void fields(herz_ctx *c) {
  const char *name, *value;
  uint32_t n = 0;

  while (herz_header_at(c, n, &name, &value)) n++;
  herz_reply(c, HERZ_OK, herz_map(c, "fields", herz_uint(c, n)));
}

static void who(herz_ctx *c) {
  const char *origin = herz_header(c, "origin"), *host = herz_header(c, "host");
  herz_reply(c, HERZ_OK,
             herz_map(c, "host", herz_str(c, host == NULL ? "-" : host), "origin",
                      herz_str(c, origin == NULL ? "-" : origin), "q",
                      herz_str(c, herz_query(c, "q") == NULL ? "-" : herz_query(c, "q"))));
}

/* A trailer of the request, once its content is whole. */
static void sum_of(herz_ctx *c) {
  const char *sum = herz_request_trailer(c, "X-Sum");
  bool odd = herz_request_trailer(c, "content-length") != NULL;

  herz_reply_text(c, HERZ_OK, odd ? "odd" : sum == NULL ? "none" : sum);
}

static bool sum_at_the_end(herz_ctx *c, const void *data, size_t len, bool fin, void *arg) {
  (void)data, (void)len, (void)arg;
  if (fin) sum_of(c);
  return true;
}

static void sum_of_stream(herz_ctx *c) {
  herz_on_body(c, sum_at_the_end, NULL);
}

static long nothing(void *arg, void *dst, size_t cap) {
  (void)dst, (void)cap;
  return herz_trailer(arg, "x-sum", "0");
}

static void trail(herz_ctx *c) {
  herz_reply_stream(c, HERZ_OK, NULL, nothing, c);
}

static void ended(void *arg) {
  ((struct app_pair *)arg)->ended++;
}

static void later(herz_ctx *c) {
  struct app_pair *p = herz_arg(c);

  HERZ_ENSURE(c, p->promised < sizeof(p->promises) / sizeof(p->promises[0]));
  herz_on_end(c, ended, p);
  p->promises[p->promised++] = herz_defer(c);
}

static void wide(herz_ctx *c) {
  static const uint8_t content[16000];

  herz_reply_bytes(c, HERZ_OK, NULL, content, sizeof(content));
}

/* Byte number i is the lowest of i / 256, so that blocks lost or swapped change the sum. */
struct down {
  uint64_t at, left;
};

static long read_down(void *arg, void *dst, size_t cap) {
  struct down *d = arg;
  size_t n = cap < d->left ? cap : (size_t)d->left;

  for (size_t i = 0; i < n; i++) ((uint8_t *)dst)[i] = (uint8_t)((d->at + i) >> 8);
  d->at += n;
  d->left -= n;
  return (long)n;
}

static void bytes(herz_ctx *c) {
  struct down *d = herz_alloc(c, sizeof(*d));

  HERZ_ENSURE(c, d != NULL);
  *d = (struct down){0, strtoull(herz_param(c, "n"), NULL, 10)};
  herz_on_end(c, ended, herz_arg(c));
  herz_reply_stream(c, HERZ_OK, NULL, read_down, d);
}

/* Takes one piece and no more, until the test asks for the rest. */
static bool on_drip(herz_ctx *c, const void *data, size_t len, bool fin, void *arg) {
  struct app_pair *p = arg;

  (void)data;
  p->drip = fin ? NULL : c;
  p->dripped += len;
  if (fin) herz_reply_text(c, HERZ_OK, "whole");
  return p->drip_on;
}

static void drip(herz_ctx *c) {
  herz_on_body(c, on_drip, herz_arg(c));
}

static void silent(herz_ctx *c) {
  herz_on_end(c, ended, herz_arg(c));
}

/* As many zeros as the path says, their number not told. */
static long zeros(void *arg, void *dst, size_t cap) {
  uint64_t *left = arg;
  size_t n = *left < cap ? (size_t)*left : cap;

  memset(dst, 0, n);
  *left -= n;
  return (long)n;
}

static void stream(herz_ctx *c) {
  struct app_pair *p = herz_arg(c);
  uint64_t *left = herz_alloc(c, sizeof(*left));
  const char *n = herz_query(c, "n") != NULL ? herz_query(c, "n") : herz_param(c, "n");

  HERZ_ENSURE(c, left != NULL);
  *left = strtoull(n, NULL, 10);
  herz_on_end(c, ended, p);
  herz_reply_stream(c, HERZ_OK, NULL, zeros, left);
}

static bool take(herz_ctx *c, const void *data, size_t len, bool fin, void *arg) {
  struct app_pair *p = arg;

  (void)data;
  p->taken += len;
  p->reader = fin ? NULL : c;
  if (fin) herz_reply(c, HERZ_OK, herz_map(c, "got", herz_uint(c, p->taken)));
  return !p->hold;
}

static void take_all(herz_ctx *c) {
  struct app_pair *p = herz_arg(c);

  p->taken = 0;
  herz_on_end(c, ended, p);
  herz_on_body(c, take, p);
}

static bool encrypted(const char *scheme) {
  return strcmp(scheme, "quic") == 0 || strcmp(scheme, "tls") == 0 || strcmp(scheme, "wss") == 0 ||
         strcmp(scheme, "https") == 0 || strcmp(scheme, "h3") == 0 ||
         strcmp(scheme, "ws+h3") == 0 || strcmp(scheme, "wt") == 0;
}

static void write_file(const char *dir, const char *name, const char *text) {
  char path[128];
  FILE *f;

  (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
  f = fopen(path, "w");
  cr_assert_not_null(f);
  fputs(text, f);
  fclose(f);
}

static void make_identity(struct app_pair *p) {
  strcpy(p->dir, "/tmp/herz-pair-XXXXXX");
  cr_assert_not_null(mkdtemp(p->dir));
  write_file(p->dir, "cert.pem", quic_test_cert);
  write_file(p->dir, "key.pem", quic_test_key);
}

static void remove_identity(struct app_pair *p) {
  char path[128];

  if (p->dir[0] == '\0') return;
  (void)snprintf(path, sizeof(path), "%s/cert.pem", p->dir);
  (void)unlink(path);
  (void)snprintf(path, sizeof(path), "%s/key.pem", p->dir);
  (void)unlink(path);
  (void)rmdir(p->dir);
}

static herz_app *make_app(struct app_pair *p, struct hz_env *env, bool server, const char *config) {
  char text[512] = "log.level=off\n";
  size_t n = strlen(text);

  if (config != NULL) n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n", config);
  if (p->dir[0] != '\0' && server) {
    (void)snprintf(text + n, sizeof(text) - n,
                   "tls.cert_file=%s/cert.pem\ntls.key_file=%s/key.pem\n", p->dir, p->dir);
  } else if (p->dir[0] != '\0') {
    (void)snprintf(text + n, sizeof(text) - n, "tls.ca_file=%s/cert.pem\n", p->dir);
  }
  return hz_app_new_on(env, text);
}

static bool serve(struct app_pair *p) {
  char at[64];
  const char *listener = encrypted(p->scheme) && strcmp(p->scheme, "quic") != 0 ? "tcp" : p->scheme;

  if (strcmp(p->scheme, "ws") == 0 || strcmp(p->scheme, "http") == 0) listener = "tcp";
  if (strcmp(p->scheme, "h3") == 0 || strcmp(p->scheme, "ws+h3") == 0 ||
      strcmp(p->scheme, "wt") == 0)
    listener = "quic";
  if (strcmp(listener, "mem") == 0) {
    strcpy(at, "mem://pair");
    strcpy(p->url, at);
  } else {
    (void)snprintf(at, sizeof(at), "%s://" AP_SERVER ":4433", listener);
    (void)snprintf(p->url, sizeof(p->url), "%s://" AP_SERVER ":4433", p->scheme);
  }
  herz_use(p->server, herz_recovery);
  if (ap_more_routes != NULL) ap_more_routes(p->server);
  return herz_get(p->server, "/users/:id", user) == 0 && herz_post(p->server, "/echo", echo) == 0 &&
         herz_route(p->server, "GET", "/later", later, p) == 0 &&
         herz_get(p->server, "/wide", wide) == 0 && herz_get(p->server, "/fields", fields) == 0 &&
         herz_get(p->server, "/trail", trail) == 0 && herz_post(p->server, "/sum", sum_of) == 0 &&
         herz_route_stream(p->server, "POST", "/sum/stream", sum_of_stream, NULL) == 0 &&
         herz_route(p->server, "GET", "/stream/:n", stream, p) == 0 &&
         herz_route_stream(p->server, "POST", "/take", take_all, p) == 0 &&
         herz_route(p->server, "GET", "/bytes/:n", bytes, p) == 0 &&
         herz_route_stream(p->server, "POST", "/drip", drip, p) == 0 &&
         herz_route(p->server, "GET", "/silent", silent, p) == 0 &&
         herz_route(p->server, "MESSAGE", "/echo", echo, p) == 0 &&
         herz_route(p->server, "MESSAGE", "/who", who, p) == 0 &&
         herz_route(p->server, "MESSAGE", "/pour", stream, p) == 0 &&
         herz_route(p->server, "MESSAGE", "/wait", later, p) == 0 &&
         herz_route_stream(p->server, "MESSAGE", "/take", take_all, p) == 0 &&
         herz_listen(p->server, at, NULL, 0) == 0;
}

bool ap_start(struct app_pair *p, const char *name, uint64_t seed, const char *scheme,
              const char *config) {
  *p = (struct app_pair){.sim = sim_new(name, seed), .scheme = scheme};
  p->server_env = sim_host(p->sim, AP_SERVER);
  p->client_env = strcmp(scheme, "mem") == 0 ? p->server_env : sim_host(p->sim, AP_CLIENT);
  if (encrypted(scheme)) make_identity(p);
  p->server = make_app(p, p->server_env, true, config);
  p->client = make_app(p, p->client_env, false, config);
  return p->server != NULL && p->client != NULL && serve(p);
}

static void on_state(herz_client *cl, enum herz_client_state s, const struct herz_close_info *info,
                     void *arg) {
  struct app_pair *p = arg;

  (void)info;
  if (s != HERZ_CLOSED) return;
  p->closed++;
  if (p->cl == cl) p->cl = NULL;
}

bool ap_dial(struct app_pair *p) {
  p->cl = herz_dial(p->client, p->url, &(struct herz_dial_options){.on_state = on_state, .arg = p});
  return p->cl != NULL;
}

static bool all_closed(void *arg) {
  struct app_pair *p = arg;

  return (p->server == NULL || p->server->first.conn_count == 0) &&
         (p->client == NULL || hz_list_empty(&p->client->first.clients));
}

void ap_stop(struct app_pair *p) {
  if (p->cl != NULL) herz_client_close(p->cl);
  if (p->server != NULL) {
    hz_worker_unlisten(&p->server->first);
    hz_worker_close_all(&p->server->first, HZ_CLOSE_SHUTDOWN, "the test is over");
  }
  bool closed = sim_run_until(p->sim, all_closed, p, sim_now(p->sim) + 600 * HZ_SEC);
  cr_assert(closed, "connections did not close");
  sim_run_for(p->sim, 60 * HZ_SEC);
  herz_app_free(p->client);
  herz_app_free(p->server);
  remove_identity(p);
  size_t leaked = sim_free(p->sim);
  cr_assert_eq(leaked, 0, "%zu bytes leaked", leaked);
}

uint64_t ap_sum(const void *data, size_t len) {
  const uint8_t *p = data;
  uint64_t sum = 14695981039346656037u;

  for (size_t i = 0; i < len; i++) sum = (sum ^ p[i]) * 1099511628211u;
  return sum;
}

void ap_on_done(const struct herz_response *rs, void *arg) {
  struct ap_result *r = arg;

  r->done++;
  r->err = rs->err;
  if (rs->err != 0) (void)snprintf(r->text, sizeof(r->text), "%s", rs->text);
  r->status = rs->status;
  r->len = rs->body_len;
  r->sum = ap_sum(rs->body, rs->body_len);
}

bool ap_call(struct app_pair *p, const char *method, const char *path, const void *body, size_t len,
             struct ap_result *r) {
  struct herz_request rq = {.method = method, .path = path, .body = body, .body_len = len};

  *r = (struct ap_result){0};
  return p->cl != NULL && herz_call(p->cl, &rq, ap_on_done, r, NULL) == 0;
}

static bool is_done(void *arg) {
  return ((struct ap_result *)arg)->done > 0;
}

bool ap_wait(struct app_pair *p, struct ap_result *r, hz_time ns) {
  return sim_run_until(p->sim, is_done, r, sim_now(p->sim) + ns);
}

void ap_is_served(struct app_pair *p) {
  struct ap_result r;

  cr_assert(ap_call(p, "GET", "/users/42", NULL, 0, &r));
  cr_assert(ap_wait(p, &r, 60 * HZ_SEC));
  cr_assert_eq(r.status, 200, "the bystander got %d %s", r.status, herz_strerror(r.err));
}
