/* The fixture of the conformance suite's upper level: two apps, their routes, waiting, the end. Not
 * here: the cases (conf_call_basic.c, conf_call_flow.c, conf_call_end.c). */
#include "tests/support/conf_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/app/app.h"
#include "tests/support/quic_identity.h"

#define SERVER_IP "10.0.0.1"
#define CLIENT_IP "10.0.0.2"
#define PATIENCE_MS 60000u
#define PATIENCE_SIM (600 * HZ_SEC)

/* ---- apps ------------------------------------------------------------------------------------------ */

static void write_file(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  CONF_CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0, "%s", path);
}

static void make_files(struct conf_calls *c) {
  char path[128], why[256] = "", sha[64];
  (void)snprintf(c->dir, sizeof(c->dir), "/tmp/herz-calls-XXXXXX");
  CONF_CHECK(mkdtemp(c->dir) != NULL);
  if (!c->t->tls) return;
  char key[128];
  (void)snprintf(path, sizeof(path), "%s/cert.pem", c->dir);
  (void)snprintf(key, sizeof(key), "%s/key.pem", c->dir);
  if (c->driver == CONF_SIM) {
    write_file(path, quic_test_cert);
    write_file(key, quic_test_key);
  } else {
    int err = herz_dev_certificate(path, key, sha, sizeof(sha), NULL, why, sizeof(why));
    CONF_CHECK(err == 0, "%s", why);
  }
}

static void remove_files(struct conf_calls *c) {
  static const char *const names[] = {"cert.pem", "key.pem", "socket"};
  char path[128];
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    (void)snprintf(path, sizeof(path), "%s/%s", c->dir, names[i]);
    (void)unlink(path);
  }
  (void)rmdir(c->dir);
}

static herz_app *make_app(struct conf_calls *c, bool server) {
  char text[1024];
  /* Bad weather makes a byte stream slow: tens of MiB take minutes of virtual time. */
  int n = snprintf(text, sizeof(text), "log.level=off\n%s%s\n",
                   c->sim != NULL ? "limits.call_timeout_ms=600000\n" : "", c->config);
  if (c->t->tls && server) {
    (void)snprintf(text + n, sizeof(text) - (size_t)n,
                   "tls.cert_file=%s/cert.pem\ntls.key_file=%s/key.pem\n", c->dir, c->dir);
  } else if (c->t->tls) {
    (void)snprintf(text + n, sizeof(text) - (size_t)n,
                   "tls.ca_file=%s/cert.pem\ntls.server_name=localhost\n", c->dir);
  }
  bool one = c->t->below == CONF_MEMORY || c->t->below == CONF_UNIX;
  const char *ip = server || one ? SERVER_IP : CLIENT_IP;
  herz_app *app = c->sim != NULL ? hz_app_new_on(sim_host(c->sim, ip), text) : herz_app_new(text);
  CONF_CHECK(app != NULL);
  return app;
}

static void bad_weather(struct conf_calls *c) {
  struct sim_link link = {.delay_ns = 8 * HZ_MS, .jitter_ns = 4 * HZ_MS, .segment_bytes = 3000};
  bool datagrams = c->t->below == CONF_UDP;
  link.loss = datagrams ? 0.03 : 0.005;
  if (datagrams) link.reorder = link.duplicate = 0.03;
  sim_path(c->sim, SERVER_IP, CLIENT_IP, &link);
}

void conf_calls_begin(struct conf_calls *c, const struct conf_transport *t, enum conf_driver driver,
                      const char *name, uint64_t seed) {
  memset(c, 0, sizeof(*c));
  c->t = t;
  c->driver = driver;
  if (driver == CONF_SIM) {
    c->sim = sim_new(name, seed);
    bad_weather(c);
  }
  make_files(c);
}

static void on_state(herz_client *cl, enum herz_client_state state,
                     const struct herz_close_info *info, void *arg) {
  struct conf_calls *c = arg;
  c->state = state;
  if (state != HERZ_CLOSED) return;
  c->closed++;
  if (info != NULL) {
    c->why = *info;
    (void)snprintf(c->why_text, sizeof(c->why_text), "%s", info->text != NULL ? info->text : "");
  }
  if (c->cl == cl) c->cl = NULL;
}

herz_client *conf_calls_dial(struct conf_calls *c, const char *url,
                             const struct herz_dial_options *options) {
  struct herz_dial_options o = options != NULL ? *options : (struct herz_dial_options){0};
  o.on_state = on_state;
  o.arg = c;
  return herz_dial(c->client, url != NULL ? url : c->url, &o);
}

void conf_calls_listen(struct conf_calls *c) {
  const char *scheme = c->t->ops()->scheme;
  const char *listener = c->t->listen_ops != NULL ? c->t->listen_ops()->scheme : scheme;
  const char *ip = c->sim != NULL ? SERVER_IP : "127.0.0.1";
  char at[128], bound[128] = "";
  /* The reference transport knows the names of its own env only. */
  bool one = c->t->below == CONF_MEMORY && c->sim == NULL;
  c->server = make_app(c, true);
  c->client = one ? c->server : make_app(c, false);
  conf_routes(c);
  if (c->t->below == CONF_UNIX) {
    (void)snprintf(at, sizeof(at), "%s://%s/socket", listener, c->dir);
  } else if (c->t->below == CONF_MEMORY) {
    (void)snprintf(at, sizeof(at), "%s://calls", listener);
  } else {
    (void)snprintf(at, sizeof(at), "%s://%s:%d", listener, ip, c->sim != NULL ? 4433 : 0);
  }
  int err = herz_listen(c->server, at, bound, sizeof(bound));
  CONF_CHECK(err == 0, "%s: %s", at, herz_error(c->server));
  (void)snprintf(c->url, sizeof(c->url), "%s%s", scheme, strstr(bound, "://"));
  c->cl = conf_calls_dial(c, NULL, NULL);
  CONF_CHECK(c->cl != NULL, "%s: %s", c->url, herz_error(c->client));
}

/* ---- waiting ------------------------------------------------------------------------------------------ */

static void turn(struct conf_calls *c) {
  herz_loop_once(c->server, c->client == c->server ? 10 : 0);
  if (c->client != c->server) herz_loop_once(c->client, 1);
}

static uint64_t real_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void conf_calls_until(struct conf_calls *c, conf_cond *cond, void *arg, const char *what) {
  bool held = cond(arg);
  if (c->sim != NULL) {
    held = held || sim_run_until(c->sim, cond, arg, sim_now(c->sim) + PATIENCE_SIM);
  }
  for (uint64_t end = real_ms() + PATIENCE_MS; c->sim == NULL && !held && real_ms() < end;) {
    turn(c);
    held = cond(arg);
  }
  CONF_CHECK(held, "waited in vain: %s", what);
}

uint64_t conf_calls_now_ms(const struct conf_calls *c) {
  return c->sim != NULL ? sim_now(c->sim) / HZ_MS : real_ms();
}

void conf_calls_settle(struct conf_calls *c) {
  if (c->sim != NULL) sim_run_for(c->sim, 2 * HZ_SEC);
  for (uint64_t end = real_ms() + 100; c->sim == NULL && real_ms() < end;) turn(c);
}

/* ---- the end -------------------------------------------------------------------------------------------- */

static bool all_gone(void *arg) {
  struct conf_calls *c = arg;
  return c->server->first.conn_count == 0 && hz_worker_idle(&c->client->first);
}

static void stop(struct conf_calls *c) {
  if (c->cl != NULL) herz_client_close(c->cl);
  hz_worker_unlisten(&c->server->first);
  hz_worker_close_all(&c->server->first, HZ_CLOSE_SHUTDOWN, "the test is over");
  conf_calls_until(c, all_gone, c, "every connection is gone");
  conf_calls_settle(c);
  if (c->client != c->server) herz_app_free(c->client);
  herz_app_free(c->server);
}

void conf_calls_finish(struct conf_calls *c) {
  if (c->server != NULL) stop(c); /* NULL: the case does not apply */
  remove_files(c);
  if (c->sim != NULL) CONF_CHECK(sim_free(c->sim) == 0, "memory is left");
}

void conf_calls_vanish(struct conf_calls *c) {
  if (c->sim == NULL) {
    const char *colon = strrchr(c->url, ':');
    conf_cut_sockets(c->t->below, (uint16_t)strtoul(colon + 1, NULL, 10));
  } else if (c->t->below == CONF_UDP) {
    sim_unplug(c->sim, c->client->first.env, true);
  } else {
    sim_kill_streams(c->sim, c->client->first.env);
  }
}

void conf_calls_run(const struct conf_transport *t, enum conf_driver driver, const char *name,
                    conf_call_case *fn) {
  struct conf_calls c;
  if (driver == CONF_REAL) {
    conf_calls_begin(&c, t, driver, name, 0);
    fn(&c);
    conf_calls_finish(&c);
    return;
  }
  SIM_FOR_SEEDS(seed, 1, 3) {
    conf_calls_begin(&c, t, driver, name, seed);
    fn(&c);
    conf_calls_finish(&c);
  }
}

/* ---- calling --------------------------------------------------------------------------------------------- */

static void list(char *out, size_t room, const struct herz_header *h, uint32_t count) {
  for (size_t i = 0, n = 0; i < count && n < room; i++)
    n += (size_t)snprintf(out + n, room - n, "%s=%s\n", h[i].name, h[i].value);
}

static void on_done(const struct herz_response *rs, void *arg) {
  struct conf_answer *a = arg;
  CONF_CHECK(a->done == 0, "done comes once");
  CONF_CHECK(rs->err == 0 || (rs->text != NULL && rs->text[0] != '\0'), "an error has words");
  a->done = 1;
  a->handle = NULL;
  a->err = rs->err;
  a->status = rs->status;
  a->kind = rs->kind;
  a->len = rs->body_len;
  list(a->fields, sizeof(a->fields), rs->headers, rs->header_count);
  list(a->trailers, sizeof(a->trailers), rs->trailers, rs->trailer_count);
  if (rs->body_len == 0) return;
  a->body = malloc(rs->body_len);
  CONF_CHECK(a->body != NULL);
  memcpy(a->body, rs->body, rs->body_len);
}

void conf_call_begin(struct conf_calls *c, const struct herz_request *rq, struct conf_answer *a) {
  *a = (struct conf_answer){.exact = true};
  int err = herz_call(c->cl, rq, on_done, a, &a->handle);
  CONF_CHECK(err == 0, "%s", herz_strerror(err));
}

bool conf_call_is_done(void *answer) {
  return ((struct conf_answer *)answer)->done;
}

void conf_call(struct conf_calls *c, const struct herz_request *rq, struct conf_answer *a) {
  conf_call_begin(c, rq, a);
  conf_calls_until(c, conf_call_is_done, a, "the answer has come");
}

void conf_get(struct conf_calls *c, const char *path, int status) {
  struct conf_answer a;
  conf_call(c, &(struct herz_request){.path = path}, &a);
  CONF_CHECK(a.err == 0, "%s: %s", path, herz_strerror(a.err));
  CONF_CHECK(a.status == status, "%s: status %d", path, a.status);
  conf_answer_free(&a);
}

void conf_answer_free(struct conf_answer *a) {
  free(a->body);
  a->body = NULL;
}

bool conf_take(herz_call_handle *h, const struct herz_response *head, const void *data, size_t len,
               void *arg) {
  struct conf_answer *a = arg;
  (void)h;
  a->status = head->status;
  for (size_t i = 0; i < len; i++) {
    a->exact = a->exact && ((const uint8_t *)data)[i] == conf_byte(a->streamed + i);
  }
  a->streamed += len;
  return !a->hold;
}
