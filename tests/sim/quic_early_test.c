/* Resumption and 0-RTT: the session file, early data accepted, rejected and replayed, address
 * tokens. Not here: Retry under load (quic_attack_test.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/quic_fixture.h"

#define LIMIT (30 * HZ_SEC)
#define NAME(test) "quic_early/" #test

static const struct sim_link lan = {.delay_ns = 10 * HZ_MS};

static const char *session_file(void) {
  static char path[128];
  snprintf(path, sizeof(path), "%s/session", qf_dir());
  return path;
}

static struct qf *fixture(const char *name, uint64_t seed, const struct sim_link *link) {
  struct qf *f = qf_new(name, seed, link);
  f->ccfg.tls.session_file = session_file();
  qf_listen(f);
  return f;
}

/* A first connection that leaves a ticket behind. */
static void visit(struct qf *f) {
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, LIMIT), "%s", c->why.text);
  struct qf_stream *call = qf_call(c, 100);
  cr_assert(qf_until_true(f, &call->closed, LIMIT));
  sim_run_for(f->sim, 100 * HZ_MS);
  qf_close(c, 0, "bye");
  cr_assert(qf_until(f, &c->closed, LIMIT));
  sim_run_for(f->sim, HZ_SEC);
}

static struct qf_stream *early_call, *second_call;
static void call_early(struct qf_conn *qc) {
  early_call = qf_call(qc, 500);
}
static void call_again(struct qf_conn *qc) {
  second_call = qf_call(qc, 500);
}

Test(quic_early, a_resumed_connection_sends_its_first_call_at_once) {
  struct qf *f = fixture(NAME(a_resumed_connection_sends_its_first_call_at_once), 1, &lan);
  visit(f);
  struct stat st;
  cr_assert_eq(stat(session_file(), &st), 0);
  cr_assert_eq(st.st_mode & 0777, 0600u);
  hz_time from = sim_now(f->sim);
  struct qf_conn *c = qf_dial(f);
  c->on_opened = call_early;
  cr_assert(qf_until(f, &c->opened, LIMIT));
  cr_assert(c->opened_early);
  cr_assert_eq(sim_now(f->sim), from);
  cr_assert_str_eq(c->peer.alpn, "herz/1");
  cr_assert(qf_until_true(f, &early_call->done, LIMIT));
  cr_assert_leq(sim_now(f->sim) - from, 25 * HZ_MS); /* one round trip, not two */
  cr_assert(qf_until(f, &c->confirmed, LIMIT));
  cr_assert(c->early_accepted);
  struct qf_conn *s = qf_server_conn(f, 1);
  cr_assert(s->opened_early);
  cr_assert(s->early_stream);
  cr_assert(qf_until(f, &s->confirmed, LIMIT));
  cr_assert(s->early_accepted);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_early, a_client_without_early_data_still_resumes) {
  struct qf *f = fixture(NAME(a_client_without_early_data_still_resumes), 1, &lan);
  visit(f);
  uint64_t full = sim_link(f->sim, QF_SERVER, QF_CLIENT)->n.sent_bytes;
  f->ccfg.tls.no_early_data = true;
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, LIMIT));
  cr_assert_not(c->opened_early);
  /* No certificate was sent: the first flight is much smaller than the first time. */
  uint64_t resumed = sim_link(f->sim, QF_SERVER, QF_CLIENT)->n.sent_bytes - full;
  cr_assert_leq(resumed, 1300u);
  sim_run_for(f->sim, 100 * HZ_MS);
  cr_assert_eq(c->confirmed, 0u);
  cr_assert_eq(qf_free(f), 0u);
}

/* Every visit resumes from the ticket of the one before: wolfSSL numbers tickets along such a chain in
 * one byte and would fail the handshake in which it overflows. */
Test(quic_early, a_client_that_comes_back_three_hundred_times_is_never_turned_away) {
  struct qf *f =
      fixture(NAME(a_client_that_comes_back_three_hundred_times_is_never_turned_away), 1, &lan);
  f->ccfg.tls.no_early_data = true;
  unsigned full = 0;
  for (int i = 0; i < 300; i++) {
    uint64_t before = sim_link(f->sim, QF_SERVER, QF_CLIENT)->n.sent_bytes;
    struct qf_conn *c = qf_dial(f);
    cr_assert(qf_until(f, &c->opened, LIMIT), "visit %d: %s", i, c->why.text);
    if (sim_link(f->sim, QF_SERVER, QF_CLIENT)->n.sent_bytes - before > 1300) full++;
    sim_run_for(f->sim, 100 * HZ_MS);
    qf_close(c, 0, "bye");
    cr_assert(qf_until(f, &c->closed, LIMIT));
  }
  cr_assert_eq(full, 2, "%u", full); /* the first, and one when the chain is long enough */
  cr_assert_eq(qf_free(f), 0u);
}

static void restart(struct qf *f) {
  f->ln->ops->unlisten(f->ln);
  f->ln = NULL;
  sim_run_for(f->sim, HZ_MS);
  qf_listen(f);
}

Test(quic_early, a_server_that_lost_its_keys_rejects_and_nothing_is_lost) {
  struct qf *f = fixture(NAME(a_server_that_lost_its_keys_rejects_and_nothing_is_lost), 1, &lan);
  visit(f);
  restart(f);
  struct qf_conn *c = qf_dial(f);
  c->on_opened = call_early;
  c->on_confirmed = call_again;
  cr_assert(qf_until(f, &c->confirmed, LIMIT));
  cr_assert(c->opened_early);
  cr_assert_not(c->early_accepted);
  cr_assert(early_call->closed);
  cr_assert_not(early_call->done);
  cr_assert(qf_until_true(f, &second_call->done, LIMIT));
  struct qf_conn *s = qf_server_conn(f, 1);
  cr_assert_eq(s->streams_opened, 1u, "the early stream must not have reached the core");
  cr_assert_not(s->opened_early);
  cr_assert_eq(qf_free(f), 0u);
}

/* Keeps what the client sends, to send it again from somewhere else. */
struct recording {
  uint8_t data[16][1500];
  size_t len[16];
  unsigned count;
  bool on;
};

static bool record(struct sim *sim, const struct sim_datagram *d, void *arg) {
  struct recording *r = arg;
  (void)sim;
  if (!r->on || r->count == 16 || strncmp(d->from, QF_CLIENT, strlen(QF_CLIENT)) != 0) return true;
  if (d->len > sizeof(r->data[0])) return true;
  memcpy(r->data[r->count], d->data, d->len);
  r->len[r->count++] = d->len;
  return true;
}

Test(quic_early, a_replayed_flight_is_executed_once) {
  struct qf *f = fixture(NAME(a_replayed_flight_is_executed_once), 1, &lan);
  visit(f);
  struct recording r = {.on = false};
  sim_tap(f->sim, record, &r);
  r.on = true;
  struct qf_conn *c = qf_dial(f);
  c->on_opened = call_early;
  cr_assert(qf_until(f, &c->confirmed, LIMIT));
  r.on = false;
  struct qf_conn *s = qf_server_conn(f, 1);
  cr_assert_eq(s->streams_opened, 1u);
  qf_close(c, 0, "bye");
  cr_assert(qf_until(f, &c->closed, LIMIT));
  sim_run_for(f->sim, 2 * HZ_SEC); /* the closing period is over, the ticket is still fresh */
  for (int round = 0; round < 5; round++) {
    char from[32];
    snprintf(from, sizeof(from), "192.0.2.7:%d", 1000 + round);
    for (unsigned i = 0; i < r.count; i++) {
      sim_inject(f->sim, from, "10.0.0.1:4433", HZ_ECN_NOT, r.data[i], r.len[i]);
    }
    sim_run_for(f->sim, HZ_SEC);
  }
  unsigned early = 0, streams = 0;
  for (unsigned i = 2; (s = qf_server_conn(f, i)) != NULL; i++) {
    early += s->opened_early;
    streams += s->streams_opened;
  }
  cr_assert_eq(streams, 0u);
  cr_assert_eq(early, 0u);
  cr_assert_geq(qf_noted(f, "early_data_replayed"), 1u);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_early, early_data_survives_loss) {
  const struct sim_link bad = {.delay_ns = 10 * HZ_MS, .loss = 0.3, .reorder = 0.1};
  SIM_FOR_SEEDS(seed, 1, 40) {
    struct qf *f = fixture(NAME(early_data_survives_loss), seed, &lan);
    f->ccfg.limits.handshake_timeout_ns = 120 * HZ_SEC;
    f->ln->config.limits.handshake_timeout_ns = 120 * HZ_SEC;
    visit(f);
    sim_path(f->sim, QF_SERVER, QF_CLIENT, &bad);
    struct qf_conn *c = qf_dial(f);
    c->on_opened = call_early;
    c->on_confirmed = call_again;
    cr_assert(qf_until(f, &c->confirmed, 200 * HZ_SEC), "seed %llu", (unsigned long long)seed);
    if (c->early_accepted) cr_assert(qf_until_true(f, &early_call->done, 100 * HZ_SEC));
    cr_assert(qf_until_true(f, &second_call->done, 100 * HZ_SEC));
    cr_assert_eq(qf_free(f), 0u);
  }
}

Test(quic_early, a_token_of_an_earlier_visit_makes_retry_unnecessary) {
  struct qf *f = qf_new(NAME(a_token_of_an_earlier_visit_makes_retry_unnecessary), 1, &lan);
  f->ccfg.tls.session_file = session_file();
  f->scfg.packet.retry = HZ_RETRY_ALWAYS;
  qf_listen(f);
  visit(f);
  cr_assert_eq(qf_noted(f, "retry_sent"), 1u);
  visit(f);
  cr_assert_eq(qf_noted(f, "retry_sent"), 1u);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_early, damaged_session_files_only_cost_the_resumption) {
  struct qf *f = fixture(NAME(damaged_session_files_only_cost_the_resumption), 1, &lan);
  visit(f);
  uint8_t data[16384];
  FILE *file = fopen(session_file(), "rb");
  size_t len = fread(data, 1, sizeof(data), file);
  fclose(file);
  for (size_t cut = 0; cut < len; cut += len / 13 + 1) {
    for (int flip = 0; flip < 2; flip++) {
      uint8_t bad[16384];
      memcpy(bad, data, len);
      if (flip) bad[cut] ^= 0xff;
      file = fopen(session_file(), "wb");
      fwrite(bad, 1, flip ? len : cut, file);
      fclose(file);
      struct qf_conn *c = qf_dial(f);
      cr_assert(qf_until(f, &c->opened, LIMIT));
      sim_run_for(f->sim, 100 * HZ_MS);
      struct qf_stream *call = qf_call(c, 10);
      cr_assert_not_null(call, "cut %zu flip %d: %s", cut, flip, c->why.text);
      cr_assert(qf_until_true(f, &call->done, LIMIT));
      qf_close(c, 0, "bye");
      cr_assert(qf_until(f, &c->closed, LIMIT));
    }
  }
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_early, version_2_resumes_with_version_2) {
  struct qf *f = qf_new(NAME(version_2_resumes_with_version_2), 1, &lan);
  f->ccfg.tls.session_file = session_file();
  f->scfg.packet.prefer_v2 = true;
  qf_listen(f);
  visit(f);
  struct qf_conn *c = qf_dial(f);
  c->on_opened = call_early;
  cr_assert(qf_until(f, &c->confirmed, LIMIT));
  cr_assert(c->early_accepted);
  cr_assert(qf_until_true(f, &early_call->done, LIMIT));
  cr_assert_eq(qf_free(f), 0u);
}
