/* The end of a QUIC connection, from every state and on both sides: codes, flushing, lost goodbyes,
 * lost peers. Not here: timeouts of bad networks (quic_path_test.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/quic_fixture.h"
#include "transports/quic/listener.h"

#define LIMIT (60 * HZ_SEC)
#define NAME(test) "quic_close/" #test

static const struct sim_link lan = {.delay_ns = 10 * HZ_MS};

Test(quic_close, the_peer_hears_code_and_text) {
  struct qf *f = qf_new(NAME(the_peer_hears_code_and_text), 1, &lan);
  struct qf_conn *c = qf_connect_confirmed(f);
  struct qf_conn *s = qf_server_conn(f, 0);
  qf_close(s, HZ_CLOSE_SHUTDOWN, "down for the night");
  cr_assert(qf_until(f, &c->closed, LIMIT));
  cr_assert_eq(c->why.by, HZ_BY_PEER);
  cr_assert_eq(c->why.layer, HZ_LAYER_APP);
  cr_assert_eq(c->why.code, (uint64_t)HZ_CLOSE_SHUTDOWN);
  cr_assert_not_null(strstr(c->why.text, "down for the night"));
  cr_assert_eq(s->closed, 1u);
  cr_assert_eq(s->why.by, HZ_BY_LOCAL);
  cr_assert_eq(s->why.code, (uint64_t)HZ_CLOSE_SHUTDOWN);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_close, what_was_sent_arrives_before_the_end) {
  const struct sim_link bad = {.delay_ns = 10 * HZ_MS, .loss = 0.2, .rate_bytes = 1000000};
  SIM_FOR_SEEDS(seed, 1, 20) {
    struct qf *f = qf_new(NAME(what_was_sent_arrives_before_the_end), seed, &lan);
    f->server_mode = QF_HOLD;
    struct qf_conn *c = qf_connect_confirmed(f);
    struct qf_conn *s = qf_server_conn(f, 0);
    sim_path(f->sim, QF_SERVER, QF_CLIENT, &bad);
    struct qf_stream *call = qf_call(c, 200000);
    cr_assert_eq(call->sent, 200000u);
    qf_close(c, HZ_CLOSE_NONE, "done");
    cr_assert_eq(qf_send(call, "x", 1, false), HZ_ECLOSED);
    cr_assert(qf_until(f, &c->closed, LIMIT));
    struct hz_link *l = hz_list_empty(&s->streams) ? s->ended.next : s->streams.next;
    struct qf_stream *in = HZ_CONTAINER(l, struct qf_stream, link);
    cr_assert_eq(in->got, 200000u, "seed %llu: %zu", (unsigned long long)seed, in->got);
    cr_assert(in->fin_in);
    cr_assert_eq(qf_free(f), 0u);
  }
}

Test(quic_close, flushing_is_bounded) {
  struct qf *f = qf_new(NAME(flushing_is_bounded), 1, &lan);
  f->server_mode = QF_HOLD;
  f->ccfg.limits.close_timeout_ns = 2 * HZ_SEC;
  struct qf_conn *c = qf_connect_confirmed(f);
  struct qf_stream *call = qf_call(c, 4u << 20); /* more than the window: it never gets through */
  hz_time from = sim_now(f->sim);
  qf_close(c, HZ_CLOSE_NONE, "done");
  cr_assert(qf_until(f, &c->closed, LIMIT));
  cr_assert_eq(sim_now(f->sim) - from, 2 * HZ_SEC);
  cr_assert(call->closed);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_close, closing_twice_and_calling_afterwards_is_harmless) {
  struct qf *f = qf_new(NAME(closing_twice_and_calling_afterwards_is_harmless), 1, &lan);
  struct qf_conn *c = qf_connect_confirmed(f);
  struct qf_stream *st = qf_open(c, HZ_BIDI);
  qf_close(c, 1, "one");
  qf_close(c, 2, "two");
  struct hz_stream *s;
  cr_assert_eq(c->c->ops->stream_open(c->c, HZ_BIDI, &s), HZ_ECLOSED);
  cr_assert_eq(qf_send(st, "x", 1, true), HZ_ECLOSED);
  cr_assert_eq(qf_datagram(c, "x", 1), HZ_ECLOSED);
  c->c->ops->stream_reset(st->s, 1);
  c->c->ops->stream_stop(st->s, 1);
  c->c->ops->stream_consume(st->s, 1);
  c->c->ops->keepalive(c->c);
  cr_assert(qf_until(f, &c->closed, LIMIT));
  cr_assert_eq(c->closed, 1u);
  cr_assert_eq(c->why.code, 1u);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_close, at_every_millisecond_of_a_connection_from_either_side) {
  for (unsigned ms = 0; ms < 60; ms++) {
    for (int by_server = 0; by_server < 2; by_server++) {
      struct qf *f = qf_new(NAME(at_every_millisecond_of_a_connection_from_either_side), 1, &lan);
      qf_listen(f);
      struct qf_conn *c = qf_dial(f);
      sim_run_for(f->sim, ms * HZ_MS);
      if (c->opened) (void)qf_call(c, 100000);
      sim_run_for(f->sim, 3 * HZ_MS);
      struct qf_conn *s = qf_server_conn(f, 0);
      struct qf_conn *who = by_server && s != NULL ? s : c;
      qf_close(who, HZ_CLOSE_INTERNAL, "now");
      cr_assert(qf_until(f, &who->closed, 10 * HZ_SEC), "%u ms", ms);
      struct qf_conn *other = who == c ? qf_server_conn(f, 0) : c;
      /* A client that goes before it has heard of the server leaves a handshake that times out. */
      if (other != NULL) cr_assert(qf_until(f, &other->closed, 11 * HZ_SEC), "%u ms", ms);
      cr_assert_eq(qf_free(f), 0u, "%u ms", ms);
    }
  }
}

Test(quic_close, a_lost_goodbye_is_said_again) {
  struct qf *f = qf_new(NAME(a_lost_goodbye_is_said_again), 1, &lan);
  struct qf_conn *c = qf_connect_confirmed(f);
  struct qf_conn *s = qf_server_conn(f, 0);
  sim_link(f->sim, QF_SERVER, QF_CLIENT)->loss = 1;
  qf_close(s, HZ_CLOSE_SHUTDOWN, "bye");
  cr_assert(qf_until(f, &s->closed, LIMIT));
  sim_run_for(f->sim, 20 * HZ_MS);
  sim_link(f->sim, QF_SERVER, QF_CLIENT)->loss = 0;
  (void)qf_call(c, 100); /* whatever the client says is answered with the goodbye */
  cr_assert(qf_until(f, &c->closed, HZ_SEC));
  cr_assert_eq(c->why.code, (uint64_t)HZ_CLOSE_SHUTDOWN);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_close, goodbyes_are_answered_seldom) {
  struct qf *f = qf_new(NAME(goodbyes_are_answered_seldom), 1, &lan);
  struct qf_conn *c = qf_connect_confirmed(f);
  struct qf_conn *s = qf_server_conn(f, 0);
  sim_link(f->sim, QF_SERVER, QF_CLIENT)->loss = 1;
  (void)qf_call(c, 200000);
  sim_run_for(f->sim, 11 * HZ_MS);
  qf_close(s, HZ_CLOSE_SHUTDOWN, "bye");
  cr_assert(qf_until(f, &s->closed, LIMIT));
  uint64_t answers = sim_link(f->sim, QF_SERVER, QF_CLIENT)->n.sent;
  uint64_t asked = sim_link(f->sim, QF_CLIENT, QF_SERVER)->n.sent;
  sim_run_for(f->sim, 5 * HZ_SEC);
  answers = sim_link(f->sim, QF_SERVER, QF_CLIENT)->n.sent - answers;
  asked = sim_link(f->sim, QF_CLIENT, QF_SERVER)->n.sent - asked;
  cr_assert_leq(answers, 1 + asked / 2);
  cr_assert_eq(qf_free(f), 0u);
}

static void restart_with_key(struct qf *f) {
  f->ln->ops->unlisten(f->ln);
  f->ln = NULL;
  sim_run_for(f->sim, HZ_MS);
  qf_listen(f);
}

Test(quic_close, closed_connections_are_kept_up_to_a_number) {
  struct qf *f = qf_new(NAME(closed_connections_are_kept_up_to_a_number), 1, &lan);
  f->scfg.limits.closed_kept = 2;
  qf_listen(f);
  struct hz_quic_listener *ln = HZ_CONTAINER(f->ln, struct hz_quic_listener, base);
  for (int i = 0; i < 5; i++) {
    struct qf_conn *c = qf_dial(f);
    cr_assert(qf_until(f, &c->opened, LIMIT), "%s", c->why.text);
    qf_close(c, HZ_CLOSE_NONE, "done");
    cr_assert(qf_until(f, &c->closed, LIMIT));
    sim_run_for(f->sim, 15 * HZ_MS); /* the goodbye arrives; the kept one stays for longer */
    cr_assert_eq(ln->tomb_count, i < 2 ? (uint32_t)i + 1 : 2u);
  }
  sim_run_for(f->sim, 10 * HZ_SEC);
  cr_assert_eq(ln->tomb_count, 0u);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_close, a_restarted_server_resets_what_it_does_not_know) {
  struct qf *f = qf_new(NAME(a_restarted_server_resets_what_it_does_not_know), 1, &lan);
  memset(f->scfg.packet.reset_key, 7, sizeof(f->scfg.packet.reset_key));
  struct qf_conn *c = qf_connect_confirmed(f);
  /* The server's side goes without a word. */
  struct qf_conn *s = qf_server_conn(f, 0);
  sim_link(f->sim, QF_SERVER, QF_CLIENT)->loss = 1;
  qf_close(s, 0, "crash");
  cr_assert(qf_until(f, &s->closed, LIMIT));
  restart_with_key(f);
  sim_link(f->sim, QF_SERVER, QF_CLIENT)->loss = 0;
  (void)qf_call(c, 100);
  cr_assert(qf_until(f, &c->closed, HZ_SEC));
  cr_assert_eq(c->why.by, HZ_BY_PEER);
  cr_assert_eq(c->why.err, HZ_ERESET);
  cr_assert_not_null(strstr(c->why.text, "stateless reset"));
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_close, unlisten_lets_connections_live_and_takes_no_new_ones) {
  struct qf *f = qf_new(NAME(unlisten_lets_connections_live_and_takes_no_new_ones), 1, &lan);
  struct qf_conn *c = qf_connect_confirmed(f);
  f->ln->ops->unlisten(f->ln);
  f->ln = NULL;
  struct qf_stream *call = qf_call(c, 50000);
  cr_assert(qf_until_true(f, &call->done, LIMIT));
  struct qf_conn *late = qf_dial(f);
  cr_assert(qf_until(f, &late->closed, LIMIT));
  cr_assert_eq(late->opened, 0u);
  cr_assert_eq(late->why.err, HZ_EREFUSED);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_close, a_host_that_is_not_there_is_a_timeout) {
  struct qf *f = qf_new(NAME(a_host_that_is_not_there_is_a_timeout), 1, &lan);
  sim_unplug(f->sim, f->senv, true);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->closed, LIMIT));
  cr_assert_eq(c->why.err, HZ_ETIMEOUT);
  cr_assert_eq(sim_now(f->sim) - SIM_START, 10 * HZ_SEC);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_close, a_port_that_nobody_has_is_a_refusal_at_the_second_attempt) {
  struct qf *f = qf_new(NAME(a_port_that_nobody_has_is_a_refusal_at_the_second_attempt), 1, &lan);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->closed, LIMIT));
  cr_assert_eq(c->why.err, HZ_EREFUSED);
  cr_assert_eq(c->why.by, HZ_BY_NETWORK);
  cr_assert_not_null(strstr(c->why.text, "nobody listens"));
  /* The first probe timeout is three times the initial round trip. */
  cr_assert_eq(sim_now(f->sim) - SIM_START, 320 * HZ_MS);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_close, a_server_that_was_heard_of_is_not_given_up_for_icmp) {
  struct qf *f = qf_new(NAME(a_server_that_was_heard_of_is_not_given_up_for_icmp), 1, &lan);
  struct qf_conn *c = qf_connect_confirmed(f);
  struct qf_conn *s = qf_server_conn(f, 0);
  sim_link(f->sim, QF_SERVER, QF_CLIENT)->loss = 1;
  qf_close(s, 0, "crash");
  cr_assert(qf_until(f, &s->closed, LIMIT));
  f->ln->ops->unlisten(f->ln);
  f->ln = NULL;
  sim_run_for(f->sim, 10 * HZ_MS);
  sim_link(f->sim, QF_SERVER, QF_CLIENT)->loss = 0;
  (void)qf_call(c, 100); /* every attempt is answered by ICMP */
  sim_run_for(f->sim, 5 * HZ_SEC);
  cr_assert_eq(c->closed, 0u, "%s", c->why.text);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_close, idle_connections_end_without_a_word) {
  struct qf *f = qf_new(NAME(idle_connections_end_without_a_word), 1, &lan);
  f->scfg.limits.idle_timeout_ns = 3 * HZ_SEC;
  struct qf_conn *c = qf_connect_confirmed(f);
  struct qf_conn *s = qf_server_conn(f, 0);
  uint64_t sent = sim_link(f->sim, QF_SERVER, QF_CLIENT)->n.sent;
  cr_assert(qf_until(f, &c->closed, 4 * HZ_SEC));
  cr_assert(qf_until(f, &s->closed, 4 * HZ_SEC));
  cr_assert_eq(c->why.layer, HZ_LAYER_TIMEOUT);
  cr_assert_eq(sim_link(f->sim, QF_SERVER, QF_CLIENT)->n.sent, sent);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_close, a_port_in_use_and_missing_files_are_told_at_once) {
  struct qf *f = qf_new(NAME(a_port_in_use_and_missing_files_are_told_at_once), 1, &lan);
  qf_listen(f);
  struct hz_listener *first = f->ln;
  cr_assert_eq(qf_try_listen(f), HZ_EEXIST);
  f->ln = first;
  f->scfg.tls.cert_file = "/nonexistent/cert.pem";
  cr_assert_eq(qf_try_listen(f), HZ_ETLS);
  cr_assert_not_null(strstr(f->last_note, "/nonexistent/cert.pem"));
  f->ln = first;
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_close, an_unknown_authority_is_refused_by_the_client) {
  struct qf *f = qf_new(NAME(an_unknown_authority_is_refused_by_the_client), 1, &lan);
  f->ccfg.tls.ca_file = NULL; /* the system's */
  qf_listen(f);
  struct qf_conn *c = NULL;
  if (qf_try_dial(f, f->cenv, &c) == HZ_OK) { /* a machine without a trust store says so at once */
    cr_assert(qf_until(f, &c->closed, LIMIT));
    cr_assert_eq(c->why.layer, HZ_LAYER_TLS);
    cr_assert_eq(c->why.err, HZ_ETLS);
    struct qf_conn *s = qf_server_conn(f, 0);
    cr_assert(qf_until(f, &s->closed, LIMIT));
    cr_assert_eq(s->why.by, HZ_BY_PEER);
    cr_assert_eq(s->why.layer, HZ_LAYER_TLS);
  }
  cr_assert_eq(qf_free(f), 0u);
}
