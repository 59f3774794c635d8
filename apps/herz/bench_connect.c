/* `herz bench connect`: connections, each made, asked one thing, and closed. -c of them are on their
 * way at a time. Not here: phases and tally (bench_run.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/exits.h"
#include "apps/common/url.h"
#include "apps/herz/bench_request.h"

#define PROGRESS_MS 250u
#define SESSION_FILE "session"

/* One connection at a time. */
struct lane {
  herz_client *cl;
  uint64_t start_ns;
  bool counted;
};

static struct {
  struct bench_run run;
  struct client client; /* its app carries all connections */
  struct bench_request request;
  struct lane *lanes;
  uint32_t busy;
  bool probed, answered, unusable, stopped, discard;
  char dir[256], session[300]; /* --resume */
} bench;

static void stop(void) {
  bench.stopped = true;
  herz_stop(bench.client.app);
}

static void begin(struct lane *l);

static void tick(void *arg) {
  bench_progress(&bench.run, client_now_ns());
  if (!bench.stopped) herz_after(bench.client.app, PROGRESS_MS, tick, arg);
}

/* The first connection is not counted: it shows that there is a service at all, and brings the first
 * session for --resume. */
static void probe_over(void) {
  bench.probed = true;
  if (!bench.answered) {
    stop();
    return;
  }
  bench_begin(&bench.run, "connect", bench.client.url, client_now_ns());
  if (bench.run.progress) tick(NULL);
  for (uint32_t i = 0; i < bench_options.conns && !bench.unusable; i++) begin(&bench.lanes[i]);
}

static void count(const struct lane *l, const struct herz_response *rs, uint64_t now) {
  struct bench_tally *t = &bench.run.tally;
  if (rs->err) {
    bench_error(&bench.run, rs->err, rs->text, now);
    return;
  }
  t->bytes_out += bench.request.rq.body_len;
  t->bytes_in += rs->body_len;
  if (rs->status >= 400)
    bench_bad_status(&bench.run, rs->status, now);
  else
    bench_ok(&bench.run, l->start_ns, now);
}

static void call_done(const struct herz_response *rs, void *arg) {
  struct lane *l = arg;
  if (bench.discard) return;
  if (!bench.probed) {
    bench.answered = rs->err == 0;
    bench.client.err = rs->err;
    snprintf(bench.client.text, sizeof bench.client.text, "%s", rs->text ? rs->text : "");
  } else if (l->counted) {
    count(l, rs, client_now_ns());
  }
  if (l->cl) herz_client_close(l->cl);
}

static void lane_state(herz_client *cl, enum herz_client_state state,
                       const struct herz_close_info *info, void *arg) {
  struct lane *l = arg;
  (void)info; /* the call has heard the same */
  if (bench.discard) return;
  l->cl = cl;
  if (state == HERZ_CONNECTED) {
    bench.client.connected = true;
    if (l->counted) hist_add(&bench.run.tally.standing, client_now_ns() - l->start_ns);
  }
  if (state != HERZ_CLOSED) return;
  l->cl = NULL;
  bench.busy--;
  bench_ended(&bench.run);
  if (!bench.probed)
    probe_over();
  else
    begin(l);
}

static void dial(struct lane *l) {
  const struct herz_dial_options options = {.connect_timeout_ms = client_options.timeout_ms,
                                            .token = getenv("HERZ_TOKEN"),
                                            .on_state = lane_state,
                                            .arg = l};
  l->start_ns = client_now_ns();
  l->cl = herz_dial(bench.client.app, bench.client.url, &options);
  if (l->cl && herz_call(l->cl, &bench.request.rq, call_done, l, NULL) == 0) {
    bench.busy++;
    return;
  }
  bench.unusable = true;
  stop();
}

static void begin(struct lane *l) {
  if (bench_admit(&bench.run, client_now_ns(), &l->counted)) {
    dial(l);
  } else if (bench.busy == 0) {
    stop();
  }
}

/* ---- sessions ---- */

/* In a directory of its own, in memory where that can be: each connection writes its tickets. */
static int make_session_file(void) {
  struct url u;
  if (!url_split(bench.client.url, &u) || strcmp(u.scheme, "quic") != 0) {
    return fail(EXIT_USAGE, "--resume: sessions are resumed on quic:// only");
  }
  const char *tmp = getenv("TMPDIR");
  if (!tmp || !*tmp) tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  int n = snprintf(bench.dir, sizeof bench.dir, "%s/herz-bench-XXXXXX", tmp);
  if (n < 0 || (size_t)n >= sizeof bench.dir || !mkdtemp(bench.dir)) {
    bench.dir[0] = '\0';
    return fail(EXIT_USAGE, "%s: %s; name a directory for sessions in TMPDIR", tmp,
                strerror(errno));
  }
  snprintf(bench.session, sizeof bench.session, "%s/" SESSION_FILE, bench.dir);
  if (herz_set(bench.client.app, "tls.session_file", bench.session) == 0) return EXIT_OK;
  return fail(EXIT_USAGE, "--resume: %s", herz_error(bench.client.app));
}

static void remove_session_file(void) {
  if (!bench.dir[0]) return;
  unlink(bench.session);
  rmdir(bench.dir);
}

/* ---- the command ---- */

static int prepare(const char *url) {
  client_options.no_early_data = true; /* a handshake that is hidden cannot be measured */
  int code = client_prepare(&bench.client, url);
  if (code == EXIT_OK) code = bench_request_make(&bench.request);
  if (code == EXIT_OK && bench_options.resume) code = make_session_file();
  if (code != EXIT_OK) return code;
  bench.lanes = calloc(bench_options.conns, sizeof *bench.lanes);
  return bench.lanes ? EXIT_OK : fail(EXIT_USAGE, "-c %u: memory is short", bench_options.conns);
}

static int result(void) {
  if (bench.unusable) {
    return fail(EXIT_USAGE, "%s: %s", bench.client.url, herz_error(bench.client.app));
  }
  if (!bench.answered) {
    bench.client.closed = true;
    return bench.run.interrupted ? EXIT_OK : client_failed(&bench.client, 0, NULL);
  }
  bench_end(&bench.run);
  bench.discard = true;
  if (bench_options.resume && access(bench.session, F_OK) != 0) {
    return fail(EXIT_PROTOCOL, "--resume: %s gives no sessions to resume", bench.client.url);
  }
  return bench_report(&bench.run);
}

int bench_connect(const char *url) {
  int code = prepare(url);
  if (code == EXIT_OK) {
    bench_catch_interrupt(bench.client.app, &bench.run.interrupted);
    dial(&bench.lanes[0]);
    if (!bench.unusable) herz_loop(bench.client.app);
    code = result();
  }
  bench.discard = true;
  client_free(&bench.client);
  bench_request_free(&bench.request);
  remove_session_file();
  free(bench.lanes);
  return code;
}
