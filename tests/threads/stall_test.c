/* A worker whose handler blocks for a second: its connections wait and nobody else's, its mailbox fills
 * to its bound, and when it goes on everything is answered once and nobody was taken for dead. The
 * handler waits for a semaphore, the second is filled with calls to other workers. A plain program, so
 * that ThreadSanitizer can watch it. Not here: workers that end (workers_test.c). */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <herz/herz.h>

#include "core/app/app.h"
#include "tests/support/check.h"
#include "transports/common/net.h"
#include "transports/quic/steer.h"

#define WORKERS 3u
#define CLIENTS 24
#define PROMISES 8 /* of each client of the stalled worker */
#define STALL_NS HZ_SEC

static hz_time clock_ns(void) {
  struct timespec ts;
  (void)clock_gettime(CLOCK_MONOTONIC, &ts);
  return (hz_time)ts.tv_sec * HZ_SEC + (hz_time)ts.tv_nsec;
}

/* ---- the service ---- */

static sem_t blocked, go_on;
static atomic_int promise_count;
static herz_deferred *promises[CLIENTS * PROMISES];

static void who(herz_ctx *c) {
  static const char *const names[WORKERS] = {"0", "1", "2"};

  herz_reply_text(c, HERZ_OK, names[herz_worker(c)]);
}

static void block(herz_ctx *c) {
  CHECK(herz_worker(c) == 0, "the wrong one blocks");
  sem_post(&blocked);
  while (sem_wait(&go_on) != 0) continue;
  herz_reply_text(c, HERZ_OK, "0");
}

static void later(herz_ctx *c) {
  herz_deferred *d = herz_defer(c);

  CHECK(d != NULL, "a promise");
  promises[atomic_fetch_add(&promise_count, 1)] = d;
}

static void *serve(void *arg) {
  CHECK(herz_loop(arg) == 0, "the loop");
  return NULL;
}

/* With the kernel's rule left out, so that packets for a worker come to the others. */
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

struct service {
  herz_app *app;
  pthread_t thread;
  char url[128];
};

static char certificate[64], key[64];

static void start(struct service *s, const char *listen, const char *config, bool rule) {
  s->app = herz_app_new(config);
  CHECK(s->app != NULL, "an app");
  CHECK(herz_set(s->app, "tls.cert_file", certificate) == 0 &&
            herz_set(s->app, "tls.key_file", key) == 0,
        "%s", herz_error(s->app));
  CHECK(herz_get(s->app, "/who", who) == 0 && herz_get(s->app, "/block", block) == 0 &&
            herz_get(s->app, "/later", later) == 0,
        "%s", herz_error(s->app));
  if (!rule) leave_rule_out(s->app);
  CHECK(herz_listen(s->app, listen, s->url, sizeof(s->url)) == 0, "%s", herz_error(s->app));
  CHECK(sem_init(&blocked, 0, 0) == 0 && sem_init(&go_on, 0, 0) == 0, "semaphores");
  atomic_store(&promise_count, 0);
  CHECK(pthread_create(&s->thread, NULL, serve, s->app) == 0, "a thread");
}

static void stop(struct service *s) {
  herz_stop(s->app);
  pthread_join(s->thread, NULL);
  herz_app_free(s->app);
  sem_destroy(&blocked);
  sem_destroy(&go_on);
}

struct sum {
  const char *name;
  uint64_t value;
};
static void find(const char *name, uint64_t value, void *arg) {
  struct sum *s = arg;
  if (strcmp(name, s->name) == 0) s->value = value;
}
static unsigned counted(const struct service *s, const char *name) {
  struct sum sum = {name, 0};
  herz_counters(s->app, find, &sum);
  return (unsigned)sum.value;
}

/* ---- the callers ---- */

struct answer {
  unsigned times;
  int err, status;
  char text[8];
};

static void answered(const struct herz_response *rs, void *arg) {
  struct answer *a = arg;

  a->times++;
  a->err = rs->err;
  a->status = rs->status;
  if (rs->body_len < sizeof(a->text)) memcpy(a->text, rs->body, rs->body_len);
}

struct callers {
  herz_app *app;
  herz_client *clients[CLIENTS];
  int worker[CLIENTS];
  struct answer plain[CLIENTS], promised[CLIENTS][PROMISES], blocker;
};

static void call(herz_client *cl, const char *path, struct answer *a) {
  struct herz_request rq = {.path = path, .timeout_ms = 60000};

  *a = (struct answer){0};
  CHECK(herz_call(cl, &rq, answered, a, NULL) == 0, "a call");
}

static void fine(const struct answer *a) {
  CHECK(a->times == 1 && a->err == 0 && a->status == HERZ_OK,
        "answered %u times, error %d, status %d", a->times, a->err, a->status);
}

/* Turns the callers' loop until `done` calls of `a` have ended. */
static void until(struct callers *cs, const struct answer *a) {
  for (int turns = 0; a->times == 0; turns++) {
    CHECK(turns < 600000, "no answer");
    herz_loop_once(cs->app, 100);
  }
}

static void dial(struct callers *cs, const struct service *s) {
  int at_first = 0;

  memset(cs, 0, sizeof(*cs));
  cs->app = herz_app_new("log.level=off");
  CHECK(cs->app != NULL && herz_set(cs->app, "tls.ca_file", certificate) == 0, "callers");
  for (int i = 0; i < CLIENTS; i++) {
    cs->clients[i] = herz_dial(cs->app, s->url, NULL);
    CHECK(cs->clients[i] != NULL, "%s", herz_error(cs->app));
    call(cs->clients[i], "/who", &cs->plain[i]);
    until(cs, &cs->plain[i]);
    fine(&cs->plain[i]);
    cs->worker[i] = cs->plain[i].text[0] - '0';
    at_first += cs->worker[i] == 0;
  }
  CHECK(at_first > 0 && at_first < CLIENTS, "%d of %d are at the first worker", at_first, CLIENTS);
}

static bool stalls(const struct callers *cs, int i) {
  return cs->worker[i] == 0;
}

/* The first worker's handler has begun and will not end by itself. */
static void stall(struct callers *cs) {
  int i = 0;

  while (!stalls(cs, i)) i++;
  call(cs->clients[i], "/block", &cs->blocker);
  for (int turns = 0; sem_trywait(&blocked) != 0; turns++) {
    CHECK(turns < 600000, "the handler never began");
    herz_loop_once(cs->app, 1);
  }
}

/* ---- cases ---- */

static void promise_all(struct callers *cs) {
  int want = 0;

  for (int i = 0; i < CLIENTS; i++) {
    for (int k = 0; stalls(cs, i) && k < PROMISES; k++, want++) {
      call(cs->clients[i], "/later", &cs->promised[i][k]);
    }
  }
  for (int turns = 0; atomic_load(&promise_count) < want; turns++) {
    CHECK(turns < 600000, "%d promises of %d", atomic_load(&promise_count), want);
    herz_loop_once(cs->app, 1);
  }
}

static void keep_all(void) {
  for (int i = 0; i < atomic_load(&promise_count); i++) {
    herz_complete(promises[i], HERZ_OK, "text/plain", "0", 1);
  }
}

/* For a second, and at least so many calls. */
static unsigned others_go_on(struct callers *cs) {
  struct answer a;
  unsigned calls = 0;

  for (hz_time end = clock_ns() + STALL_NS; clock_ns() < end || calls < 100;) {
    for (int i = 0; i < CLIENTS; i++) {
      if (stalls(cs, i)) continue;
      call(cs->clients[i], "/who", &a);
      until(cs, &a);
      fine(&a);
      calls++;
    }
  }
  return calls;
}

static void a_second_is_lost_and_nothing_else(const char *listen, const char *config) {
  struct service s;
  struct callers cs;

  start(&s, listen, config, true);
  dial(&cs, &s);
  promise_all(&cs);
  stall(&cs);
  keep_all(); /* into the mailbox of a worker that does not look; blocks nobody */
  for (int i = 0; i < CLIENTS; i++) {
    if (stalls(&cs, i)) call(cs.clients[i], "/who", &cs.plain[i]);
  }
  unsigned calls = others_go_on(&cs), waited = 0;
  CHECK(cs.blocker.times == 0, "it blocks no more");
  for (int i = 0; i < CLIENTS; i++) {
    if (!stalls(&cs, i)) continue;
    CHECK(cs.plain[i].times == 0, "answered by a worker that is blocked");
    for (int k = 0; k < PROMISES; k++) CHECK(cs.promised[i][k].times == 0, "kept while blocked");
  }
  sem_post(&go_on);
  until(&cs, &cs.blocker);
  fine(&cs.blocker);
  for (int i = 0; i < CLIENTS; i++) {
    if (!stalls(&cs, i)) continue;
    until(&cs, &cs.plain[i]);
    for (int k = 0; k < PROMISES; k++) until(&cs, &cs.promised[i][k]);
  }
  others_go_on(&cs); /* whatever is answered twice, or ends late, has come by then */
  for (int i = 0; i < CLIENTS; i++) {
    if (!stalls(&cs, i)) continue;
    fine(&cs.plain[i]);
    for (int k = 0; k < PROMISES; k++) fine(&cs.promised[i][k]);
    waited += 1 + PROMISES;
  }
  CHECK(counted(&s, "conns_opened") == CLIENTS && counted(&s, "conns_closed") == 0,
        "%u connections opened, %u closed", counted(&s, "conns_opened"),
        counted(&s, "conns_closed"));
  CHECK(counted(&s, "idle_timeout") == 0 && counted(&s, "calls_timeout") == 0, "timeouts");
  herz_app_free(cs.app);
  stop(&s);
  printf("ok %s: %u calls waited for the stalled worker, %u went on\n", listen, waited, calls);
}

/* Packets for the first worker, as many senders have them: those that the others receive. */
#define SOCKETS 64
#define PACKETS_EACH 100
static void flood(const struct service *s) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  uint8_t packet[64] = {
      0x40}; /* a short header; the first byte of the ID is 0: the first worker's */

  to.sin_port = htons((uint16_t)atoi(strrchr(s->url, ':') + 1));
  for (int i = 0; i < SOCKETS; i++) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0, "a socket");
    for (int k = 0; k < PACKETS_EACH; k++) {
      (void)sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
    }
    close(fd);
  }
}

/* What waits for the first worker. Each of the others counts one more for as long as it takes to see that there
 * is no room, so it may take some looks. (What is forwarded altogether says less: the callers' own packets
 * go astray as well, between any two workers.) */
static unsigned in_mailbox(const struct service *s) {
  const struct hz_app_share *share = HZ_CONTAINER(s->app->shares.next, struct hz_app_share, link);
  unsigned waiting = atomic_load(&share->ends[0].waiting);

  for (hz_time end = clock_ns() + 10 * HZ_SEC;
       waiting > HZ_QUIC_FORWARDS_MAX && clock_ns() < end;) {
    waiting = atomic_load(&share->ends[0].waiting);
  }
  return waiting;
}

static void the_mailbox_fills_to_its_bound(void) {
  struct service s;
  struct callers cs;

  start(&s, "quic://127.0.0.1:0", "log.level=off\nworkers=3", false);
  dial(&cs, &s);
  stall(&cs);
  for (int i = 0; counted(&s, "packets_dropped") == 0; i++) {
    CHECK(i < 50, "%u handed over and nothing dropped", counted(&s, "packets_forwarded"));
    flood(&s);
  }
  flood(&s);
  unsigned waiting = in_mailbox(&s);
  CHECK(waiting <= HZ_QUIC_FORWARDS_MAX, "%u wait", waiting);
  CHECK(waiting > HZ_QUIC_FORWARDS_MAX / 2, "%u wait", waiting);
  CHECK(counted(&s, "unknown_connection") == 0, "looked at by another worker");
  sem_post(&go_on);
  until(&cs, &cs.blocker);
  fine(&cs.blocker);
  for (int i = 0; i < CLIENTS; i++) call(cs.clients[i], "/who", &cs.plain[i]);
  for (int i = 0; i < CLIENTS; i++) {
    until(&cs, &cs.plain[i]);
    fine(&cs.plain[i]);
    CHECK(cs.plain[i].text[0] - '0' == cs.worker[i], "another worker");
  }
  /* But for what the callers had on its way: they stand still meanwhile, so these are few. */
  CHECK(counted(&s, "unknown_connection") + 2 * CLIENTS >= waiting, "what waited was looked at");
  printf("ok mailbox: %u packets waited, %u were dropped\n", waiting,
         counted(&s, "packets_dropped"));
  herz_app_free(cs.app);
  stop(&s);
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

int main(void) {
  char dir[] = "/tmp/herz-stall-XXXXXX", why[200], sha[64];

  (void)setvbuf(stdout, NULL, _IOLBF, 0);
  CHECK(mkdtemp(dir) != NULL, "a directory");
  (void)snprintf(certificate, sizeof(certificate), "%s/cert.pem", dir);
  (void)snprintf(key, sizeof(key), "%s/key.pem", dir);
  CHECK(herz_dev_certificate(certificate, key, sha, sizeof(sha), NULL, why, sizeof(why)) == 0, "%s",
        why);
  /* Silent for the whole idle timeout, as far as a worker that does not look can tell. */
  a_second_is_lost_and_nothing_else("tcp://127.0.0.1:0",
                                    "log.level=off\nworkers=3\nlimits.idle_timeout_ms=900");
  /* QUIC's idle timeout is both sides': a caller gives up by itself when it is shorter than the stall. */
  if (kernel_takes_rules()) {
    a_second_is_lost_and_nothing_else("quic://127.0.0.1:0",
                                      "log.level=off\nworkers=3\nlimits.idle_timeout_ms=3000");
  }
  the_mailbox_fills_to_its_bound();
  (void)unlink(certificate);
  (void)unlink(key);
  (void)rmdir(dir);
  return 0;
}
