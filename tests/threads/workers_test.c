/* An app with several workers under load from another thread: every call is answered, by more than
 * one worker; promises are kept from other threads; QUIC finds its worker with and without the
 * kernel's help and after moving; draining and stopping in the middle end cleanly. A plain program,
 * so that ThreadSanitizer can watch it. */
#include <linux/filter.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <herz/herz.h>

#include "core/app/app.h"
#include "tests/support/check.h"
#include "transports/common/net.h"

#define WORKERS 4u
#define CLIENTS 24
#define ROUNDS 12 /* of calls that each client makes, four at once */
#define KEEPERS 2

/* ---- the service: who answers, at once or from another thread ---- */

struct keeper { /* keeps promises */
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t more;
  herz_deferred *promises[4096];
  size_t count;
  bool end;
};
static struct keeper keepers[KEEPERS];
static atomic_uint served[WORKERS];

static void *keep(void *arg) {
  struct keeper *k = arg;

  pthread_mutex_lock(&k->lock);
  while (!k->end || k->count > 0) {
    if (k->count == 0) {
      pthread_cond_wait(&k->more, &k->lock);
      continue;
    }
    herz_deferred *d = k->promises[--k->count];
    pthread_mutex_unlock(&k->lock);
    herz_complete(d, HERZ_OK, "text/plain", "kept", 4);
    pthread_mutex_lock(&k->lock);
  }
  pthread_mutex_unlock(&k->lock);
  return NULL;
}

static void at_once(herz_ctx *c) {
  atomic_fetch_add(&served[herz_worker(c)], 1);
  herz_reply_text(c, HERZ_OK, "kept");
}

static void promised(herz_ctx *c) {
  struct keeper *k = &keepers[herz_worker(c) % KEEPERS];
  herz_deferred *d = herz_defer(c);

  CHECK(d != NULL, "a promise");
  atomic_fetch_add(&served[herz_worker(c)], 1);
  pthread_mutex_lock(&k->lock);
  CHECK(k->count < 4096, "too many promises");
  k->promises[k->count++] = d;
  pthread_cond_signal(&k->more);
  pthread_mutex_unlock(&k->lock);
}

static void *serve(void *arg) {
  CHECK(herz_loop(arg) == 0, "the loop");
  return NULL;
}

struct service {
  herz_app *app;
  pthread_t thread;
  char url[128];
};

/* With the kernel's rule left out, as where it is refused. */
static struct hz_env_ops plain_env[WORKERS];
static struct hz_net_ops plain_net[WORKERS];
static const struct hz_net_ops *real_net;

static hz_err open_without_rule(struct hz_env *env, const struct hz_endpoint *at, bool connected,
                                const struct hz_udp *proto, struct hz_udp **out,
                                struct hz_addr *peer, char *why, size_t why_len) {
  struct hz_udp changed = *proto;

  changed.pick = NULL;
  return real_net->udp_open(env, at, connected, &changed, out, peer, why, why_len);
}

static void leave_rule_out(herz_app *app) {
  CHECK(hz_app_start(app) == HZ_OK, "%s", herz_error(app));
  for (uint32_t i = 0; i < app->worker_count; i++) {
    struct hz_env *env = hz_app_worker(app, i)->env;

    real_net = env->ops->net;
    plain_net[i] = *real_net;
    plain_net[i].udp_open = open_without_rule;
    plain_env[i] = *env->ops;
    plain_env[i].net = &plain_net[i];
    env->ops = &plain_env[i];
  }
}

static char certificate[64], key[64];

static void start(struct service *s, const char *listen, bool rule) {
  s->app = herz_app_new("log.level=off\nworkers=4");
  CHECK(s->app != NULL, "an app");
  CHECK(herz_set(s->app, "tls.cert_file", certificate) == 0 &&
            herz_set(s->app, "tls.key_file", key) == 0,
        "%s", herz_error(s->app));
  CHECK(herz_get(s->app, "/now", at_once) == 0 && herz_get(s->app, "/later", promised) == 0, "%s",
        herz_error(s->app));
  if (!rule) leave_rule_out(s->app);
  CHECK(herz_listen(s->app, listen, s->url, sizeof(s->url)) == 0, "%s", herz_error(s->app));
  for (unsigned i = 0; i < WORKERS; i++) atomic_store(&served[i], 0);
  for (int i = 0; i < KEEPERS; i++) {
    keepers[i] = (struct keeper){.end = false};
    pthread_mutex_init(&keepers[i].lock, NULL);
    pthread_cond_init(&keepers[i].more, NULL);
    CHECK(pthread_create(&keepers[i].thread, NULL, keep, &keepers[i]) == 0, "a thread");
  }
  CHECK(pthread_create(&s->thread, NULL, serve, s->app) == 0, "a thread");
}

static void end(struct service *s) {
  pthread_join(s->thread, NULL);
  for (int i = 0; i < KEEPERS; i++) {
    pthread_mutex_lock(&keepers[i].lock);
    keepers[i].end = true;
    pthread_cond_signal(&keepers[i].more);
    pthread_mutex_unlock(&keepers[i].lock);
    pthread_join(keepers[i].thread, NULL);
  }
  herz_app_free(s->app);
}

/* ---- the load ---- */

struct load {
  herz_app *app;
  const char *url;
  herz_client *clients[CLIENTS];
  unsigned begun, done, fine, moves, goal;
  bool moving;
};

struct caller {
  struct load *load;
  int client;
};

static void answered(const struct herz_response *rs, void *arg);

static void call(struct load *l, int client) {
  struct herz_request rq = {.path = l->begun % 2 == 0 ? "/now" : "/later", .timeout_ms = 60000};
  struct caller *who = malloc(sizeof(*who));

  CHECK(who != NULL, "memory");
  *who = (struct caller){l, client};
  l->begun++;
  CHECK(herz_call(l->clients[client], &rq, answered, who, NULL) == 0, "a call");
}

static void answered(const struct herz_response *rs, void *arg) {
  struct caller who = *(struct caller *)arg;
  struct load *l = who.load;

  free(arg);
  l->done++;
  if (rs->err == 0 && rs->status == HERZ_OK && rs->body_len == 4) l->fine++;
  if (l->moving && l->done % 16 == 0 && herz_client_rebind(l->clients[who.client]) == 0) l->moves++;
  if (rs->err == 0 && l->begun < l->goal) call(l, who.client);
}

static void dial_all(struct load *l, const char *url) {
  *l =
      (struct load){.url = url, .app = herz_app_new("log.level=off"), .goal = CLIENTS * ROUNDS * 4};
  CHECK(l->app != NULL && herz_set(l->app, "tls.ca_file", certificate) == 0, "a client");
  for (int i = 0; i < CLIENTS; i++) {
    l->clients[i] = herz_dial(l->app, url, NULL);
    CHECK(l->clients[i] != NULL, "%s", herz_error(l->app));
    for (int k = 0; k < 4; k++) call(l, i);
  }
}

static void turn_until(struct load *l, unsigned done) {
  for (int turns = 0; l->done < done; turns++) {
    CHECK(turns < 600000, "%u of %u answered", l->done, done);
    herz_loop_once(l->app, 100);
  }
}

struct sum {
  const char *name;
  uint64_t value;
};
static void find(const char *name, uint64_t value, void *arg) {
  struct sum *s = arg;
  if (strcmp(name, s->name) == 0) s->value = value;
}
static uint64_t counted(herz_app *app, const char *name) {
  struct sum s = {name, 0};
  herz_counters(app, find, &s);
  return s.value;
}

static unsigned workers_seen(void) {
  unsigned n = 0;
  for (unsigned i = 0; i < WORKERS; i++) n += atomic_load(&served[i]) > 0;
  return n;
}

static bool kernel_takes_rules(void) {
  struct sock_filter f[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
  struct sock_fprog p = {1, f};
  int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
  bool takes = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0 &&
               setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &p, sizeof(p)) == 0;
  close(fd);
  return takes;
}

/* ---- cases ---- */

static void every_call_is_answered(const char *listen, bool rule, bool moving) {
  struct service s;
  struct load l;

  start(&s, listen, rule);
  dial_all(&l, s.url);
  l.moving = moving;
  turn_until(&l, l.goal);
  CHECK(l.fine == l.goal, "%u of %u calls were fine over %s", l.fine, l.goal, s.url);
  CHECK(workers_seen() >= 2, "one worker had it all");
  CHECK(counted(s.app, "calls") == l.goal, "the workers' counts add up");
  if (moving) CHECK(l.moves > 0, "somebody moved");
  uint64_t forwarded = counted(s.app, "packets_forwarded");
  if (!rule) CHECK(forwarded > 0, "nothing went astray");
  if (rule && kernel_takes_rules())
    CHECK(forwarded == 0, "%lu went astray", (unsigned long)forwarded);
  herz_app_free(l.app);
  herz_stop(s.app);
  end(&s);
  printf("ok %s%s%s: %u calls, %u workers, %lu packets handed over, %u moves\n", listen,
         rule ? "" : " without the kernel's rule", moving ? " while moving" : "", l.goal,
         workers_seen(), (unsigned long)forwarded, l.moves);
}

static void *end_elsewhere(void *arg) {
  end(arg);
  return NULL;
}

static void ends_under_load(const char *listen, bool drain) {
  struct service s;
  struct load l;

  start(&s, listen, true);
  dial_all(&l, s.url);
  l.goal = UINT32_MAX; /* on and on */
  turn_until(&l, CLIENTS * 8);
  if (drain) {
    herz_drain(s.app, 200);
  } else {
    herz_stop(s.app);
  }
  turn_until(&l, CLIENTS * 8 + 1);
  pthread_t closer;
  CHECK(pthread_create(&closer, NULL, end_elsewhere, &s) == 0, "a thread");
  l.goal = 0;
  for (int turns = 0; l.done < l.begun; turns++) {
    CHECK(turns < 600000, "%u of %u ended", l.done, l.begun);
    herz_loop_once(l.app, 100);
  }
  herz_app_free(l.app);
  pthread_join(closer, NULL);
  printf("ok %s %s under load: %u of %u calls answered\n", listen, drain ? "drains" : "stops",
         l.fine, l.begun);
}

int main(void) {
  char dir[] = "/tmp/herz-workers-XXXXXX", why[200], sha[64];

  (void)setvbuf(stdout, NULL, _IOLBF, 0);
  CHECK(mkdtemp(dir) != NULL, "a directory");
  (void)snprintf(certificate, sizeof(certificate), "%s/cert.pem", dir);
  (void)snprintf(key, sizeof(key), "%s/key.pem", dir);
  CHECK(herz_dev_certificate(certificate, key, sha, sizeof(sha), NULL, why, sizeof(why)) == 0, "%s",
        why);
  every_call_is_answered("tcp://127.0.0.1:0", true, false);
  every_call_is_answered("quic://127.0.0.1:0", true, false);
  every_call_is_answered("quic://127.0.0.1:0", true, true);
  every_call_is_answered("quic://127.0.0.1:0", false, true);
  ends_under_load("tcp://127.0.0.1:0", true);
  ends_under_load("quic://127.0.0.1:0", true);
  ends_under_load("tcp://127.0.0.1:0", false);
  ends_under_load("quic://127.0.0.1:0", false);
  (void)unlink(certificate);
  (void)unlink(key);
  (void)rmdir(dir);
  return 0;
}
