/* QUIC under hostile and broken peers: floods, garbage, forged and replayed packets. In each case an
 * honest bystander must not notice. Ids of docs' threat list are named. Not here: TLS out of order
 * (quic_tls_test.c), bad luck (quic_loss_test.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/quic_bystander.h"
#include "transports/quic/listener.h"

#define NAME(test) "quic_attack/" #test
#define SERVER_PORT QF_SERVER ":4433"

/* Keeps the datagrams that went by. */
#define TAPE 64
struct tape {
  uint8_t data[TAPE][1500];
  size_t len[TAPE];
  unsigned count;
  const char *from; /* only these */
};

static bool record(struct sim *sim, const struct sim_datagram *d, void *arg) {
  struct tape *t = arg;
  (void)sim;
  if (t->count == TAPE || d->len > sizeof(t->data[0])) return true;
  if (strncmp(d->from, t->from, strlen(t->from)) != 0) return true;
  memcpy(t->data[t->count], d->data, d->len);
  t->len[t->count++] = d->len;
  return true;
}

static void listener_of(struct qf *f, struct hz_quic_listener **out) {
  *out = HZ_CONTAINER(f->ln, struct hz_quic_listener, base);
}

/* ---- address validation ---- */

Test(quic_attack, u01_an_unvalidated_address_gets_three_times_what_it_sent_at_most) {
  struct qf *f =
      qf_new(NAME(u01_an_unvalidated_address_gets_three_times_what_it_sent_at_most), 1, &lan);
  qf_listen(f);
  struct tape t = {.from = QF_CLIENT};
  sim_tap(f->sim, record, &t);
  struct qf_conn *c = qf_dial(f);
  sim_run_for(f->sim, HZ_MS);
  sim_tap(f->sim, NULL, NULL);
  qf_close(c, 0, "only its first packet was wanted");
  sim_unplug(f->sim, f->cenv, true);
  sim_inject(f->sim, "192.0.2.1:999", SERVER_PORT, 0, t.data[0], t.len[0]);
  sim_run_for(f->sim, 30 * HZ_SEC);
  struct sim_counts *to = &sim_link(f->sim, QF_SERVER, "192.0.2.1")->n;
  cr_assert_gt(to->sent, 0u);
  cr_assert_leq(to->sent_bytes, 3 * t.len[0]);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_attack, retry_always_makes_every_client_prove_its_address) {
  struct qf *f = qf_new(NAME(retry_always_makes_every_client_prove_its_address), 1, &lan);
  f->scfg.packet.retry = HZ_RETRY_ALWAYS;
  struct qf_conn *c = bystander(f);
  cr_assert_eq(qf_noted(f, "retry_sent"), 1u);
  unharmed(f, c);
  cr_assert_eq(qf_noted(f, "retry_sent"), 2u);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_attack, u03_tokens_of_others_and_old_ones_are_refused) {
  struct qf *f = qf_new(NAME(u03_tokens_of_others_and_old_ones_are_refused), 1, &lan);
  f->scfg.packet.retry = HZ_RETRY_ALWAYS;
  qf_listen(f);
  struct tape t = {.from = QF_CLIENT};
  sim_tap(f->sim, record, &t);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, LIMIT));
  sim_tap(f->sim, NULL, NULL);
  unsigned before = f->admitted;
  qf_close(c, 0, "bye");
  cr_assert(qf_until(f, &c->closed, LIMIT));
  sim_run_for(f->sim, 5 * HZ_SEC);
  /* The second packet carries the token: from another address, with a flipped bit, and stale. */
  sim_inject(f->sim, "192.0.2.1:999", SERVER_PORT, 0, t.data[1], t.len[1]);
  sim_run_for(f->sim, HZ_SEC);
  cr_assert_eq(qf_noted(f, "bad_token"), 1u);
  t.data[1][60] ^= 1;
  sim_inject(f->sim, QF_CLIENT ":49152", SERVER_PORT, 0, t.data[1], t.len[1]);
  sim_run_for(f->sim, HZ_SEC);
  cr_assert_eq(qf_noted(f, "bad_token"), 2u);
  t.data[1][60] ^= 1;
  sim_run_for(f->sim, 15 * HZ_SEC);
  sim_inject(f->sim, QF_CLIENT ":49152", SERVER_PORT, 0, t.data[1], t.len[1]);
  sim_run_for(f->sim, HZ_SEC);
  cr_assert_eq(qf_noted(f, "bad_token"), 3u);
  cr_assert_eq(f->admitted, before);
  cr_assert_leq(sim_link(f->sim, QF_SERVER, "192.0.2.1")->n.sent_bytes, 100u);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_attack, u02_an_initial_flood_is_met_with_retry_and_keeps_no_state) {
  struct qf *f = qf_new(NAME(u02_an_initial_flood_is_met_with_retry_and_keeps_no_state), 1, &lan);
  struct qf_conn *c = bystander(f);
  struct hz_quic_listener *ln;
  listener_of(f, &ln);
  /* Clients from other networks that never hear an answer: handshakes stay half open. */
  size_t after_threshold = 0;
  for (int i = 0; i < 1000; i++) {
    char ip[32];
    snprintf(ip, sizeof(ip), "172.16.%d.2", i % 40);
    sim_link(f->sim, QF_SERVER, ip)->loss = 1;
    struct qf_conn *bad = NULL;
    cr_assert_eq(qf_try_dial(f, sim_host(f->sim, ip), &bad), HZ_OK);
    if (i % 50 == 49) sim_run_for(f->sim, 50 * HZ_MS);
    if (i == 399) after_threshold = sim_alloc(f->senv)->live_bytes;
  }
  sim_run_for(f->sim, 100 * HZ_MS);
  cr_assert_leq(ln->half_open, ln->base.config.limits.retry_from + 1);
  cr_assert_gt(qf_noted(f, "retry_sent"), 500u);
  cr_assert_leq(sim_alloc(f->senv)->live_bytes, after_threshold + (64u << 10));
  unharmed(f, c);
  sim_run_for(f->sim, 30 * HZ_SEC);
  cr_assert_eq(ln->half_open, 0u, "handshakes that never end are given up");
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_attack, u14_one_network_cannot_take_all_handshakes) {
  struct qf *f = qf_new(NAME(u14_one_network_cannot_take_all_handshakes), 1, &lan);
  struct qf_conn *c = bystander(f);
  struct hz_quic_listener *ln;
  listener_of(f, &ln);
  for (int i = 0; i < 200; i++) {
    char ip[32];
    snprintf(ip, sizeof(ip), "172.16.5.%d", 2 + i % 40);
    sim_link(f->sim, QF_SERVER, ip)->loss = 1;
    struct qf_conn *bad = NULL;
    cr_assert_eq(qf_try_dial(f, sim_host(f->sim, ip), &bad), HZ_OK);
  }
  sim_run_for(f->sim, 100 * HZ_MS);
  cr_assert_leq(ln->half_open, ln->base.config.limits.prefix_retry_from);
  unsigned retries = qf_noted(f, "retry_sent");
  unharmed(f, c); /* from another network: no Retry for it */
  sim_run_for(f->sim, HZ_MS);
  cr_assert_geq(qf_noted(f, "retry_sent"), retries);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_attack, u14_a_network_has_so_many_handshakes_at_a_time) {
  struct qf *f = qf_new(NAME(u14_a_network_has_so_many_handshakes_at_a_time), 1, &lan);
  f->scfg.packet.retry = HZ_RETRY_NEVER;
  f->scfg.limits.prefix_handshakes = 8;
  struct qf_conn *c = bystander(f);
  struct hz_quic_listener *ln;
  listener_of(f, &ln);
  for (int i = 0; i < 40; i++) {
    char ip[32];
    snprintf(ip, sizeof(ip), "172.16.5.%d", 2 + i);
    sim_link(f->sim, QF_SERVER, ip)->loss = 1;
    struct qf_conn *bad = NULL;
    cr_assert_eq(qf_try_dial(f, sim_host(f->sim, ip), &bad), HZ_OK);
  }
  sim_run_for(f->sim, 50 * HZ_MS);
  cr_assert_eq(ln->half_open, 8u);
  cr_assert_geq(qf_noted(f, "handshakes_over_limit"), 32u);
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_attack, connections_over_the_limit_are_refused) {
  struct qf *f = qf_new(NAME(connections_over_the_limit_are_refused), 1, &lan);
  struct qf_conn *c = bystander(f);
  f->refuse = true;
  struct qf_conn *late = qf_dial(f);
  cr_assert(qf_until(f, &late->closed, LIMIT));
  cr_assert_eq(late->why.err, HZ_EREFUSED);
  cr_assert_eq(late->why.code, (uint64_t)NGTCP2_CONNECTION_REFUSED);
  cr_assert_geq(qf_noted(f, "connections_over_limit"), 1u);
  f->refuse = false;
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

/* ---- packets that belong to nothing ---- */

Test(quic_attack, u12_unknown_versions_are_negotiated_at_a_bounded_rate) {
  struct qf *f = qf_new(NAME(u12_unknown_versions_are_negotiated_at_a_bounded_rate), 1, &lan);
  struct qf_conn *c = bystander(f);
  uint8_t p[1200] = {0xc0, 0xba, 0xba, 0xba, 0xba, 8, 1, 2, 3, 4, 5, 6, 7, 8, 4, 9, 9, 9, 9};
  sim_inject(f->sim, "192.0.2.1:999", SERVER_PORT, 0, p, 1199);
  sim_run_for(f->sim, HZ_SEC);
  struct sim_counts *to = &sim_link(f->sim, QF_SERVER, "192.0.2.1")->n;
  cr_assert_eq(to->sent, 0u, "too short for an answer");
  for (int i = 0; i < 5000; i++) {
    sim_inject(f->sim, "192.0.2.1:999", SERVER_PORT, 0, p, sizeof(p));
    if (i % 50 == 0) sim_run_for(f->sim, HZ_MS);
  }
  sim_run_for(f->sim, 20 * HZ_MS);
  cr_assert_gt(to->sent, 50u);
  cr_assert_leq(to->sent, 130u);
  cr_assert_leq(to->sent_bytes, to->sent * 60);
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_attack, u13_a_forged_version_negotiation_is_ignored) {
  struct qf *f = qf_new(NAME(u13_a_forged_version_negotiation_is_ignored), 1, &lan);
  struct qf_conn *c = bystander(f);
  struct tape t = {.from = QF_CLIENT};
  sim_tap(f->sim, record, &t);
  struct qf_conn *victim = qf_dial(f);
  sim_run_for(f->sim, HZ_MS);
  /* Both IDs of the client's first packet, swapped; a version nobody speaks. */
  uint8_t *in = t.data[0], out[64] = {0x80, 0, 0, 0, 0};
  size_t n = 5, dlen = in[5], slen = in[6 + dlen];
  out[n++] = (uint8_t)slen;
  memcpy(out + n, in + 7 + dlen, slen);
  n += slen;
  out[n++] = (uint8_t)dlen;
  memcpy(out + n, in + 6, dlen);
  n += dlen;
  /* After the server has answered it must not matter any more (RFC 9000 6.2). */
  cr_assert(qf_until(f, &victim->opened, LIMIT));
  memcpy(out + n, "\x1a\x2a\x3a\x4a", 4);
  sim_inject(f->sim, SERVER_PORT, "10.0.0.2:49153", 0, out, n + 4);
  sim_run_for(f->sim, HZ_SEC);
  cr_assert_eq(victim->closed, 0u);
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_attack, stateless_resets_are_shorter_than_what_asked_and_bounded) {
  struct qf *f = qf_new(NAME(stateless_resets_are_shorter_than_what_asked_and_bounded), 1, &lan);
  struct qf_conn *c = bystander(f);
  struct sim_counts *to = &sim_link(f->sim, QF_SERVER, "192.0.2.1")->n;
  uint8_t p[1400] = {0x40};
  for (size_t len = 1; len < 100; len++) {
    uint64_t sent = to->sent, bytes = to->sent_bytes;
    hz_rng_fill(sim_rng(f->sim), p + 1, sizeof(p) - 1);
    sim_inject(f->sim, "192.0.2.1:999", SERVER_PORT, 0, p, len);
    sim_run_for(f->sim, 50 * HZ_MS);
    if (to->sent > sent) {
      cr_assert_lt(to->sent_bytes - bytes, len);
      cr_assert_geq(to->sent_bytes - bytes, 21u);
    }
    cr_assert_eq(to->sent > sent, len > 21, "length %zu", len);
  }
  sim_run_for(f->sim, 10 * HZ_SEC);
  uint64_t sent = to->sent;
  for (int i = 0; i < 2000; i++) sim_inject(f->sim, "192.0.2.1:999", SERVER_PORT, 0, p, 1400);
  sim_run_for(f->sim, 50 * HZ_MS);
  cr_assert_leq(to->sent - sent, 110u);
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_attack, garbage_of_every_kind_changes_nothing) {
  struct qf *f = qf_new(NAME(garbage_of_every_kind_changes_nothing), 1, &lan);
  struct tape t = {.from = QF_CLIENT};
  qf_listen(f);
  sim_tap(f->sim, record, &t);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, LIMIT));
  struct qf_stream *call = qf_call(c, 20000);
  cr_assert(qf_until_true(f, &call->done, LIMIT));
  sim_tap(f->sim, NULL, NULL);
  struct hz_rng *rng = sim_rng(f->sim);
  size_t before = sim_alloc(f->senv)->live_bytes;
  for (unsigned i = 0; i < t.count; i++) { /* truncated at every byte */
    for (size_t len = 0; len <= t.len[i]; len += i < 3 ? 1 : 37) {
      sim_inject(f->sim, "192.0.2.1:999", SERVER_PORT, 0, t.data[i], len);
    }
    sim_run_for(f->sim, 10 * HZ_MS);
  }
  for (int i = 0; i < 20000; i++) { /* bits flipped, from the true address and from another */
    uint8_t p[1500];
    unsigned k = (unsigned)hz_rng_below(rng, t.count);
    memcpy(p, t.data[k], t.len[k]);
    for (uint64_t n = 1 + hz_rng_below(rng, 4); n > 0; n--) {
      size_t at = (size_t)hz_rng_below(rng, hz_rng_below(rng, 2) ? 40 : t.len[k]);
      p[at % t.len[k]] ^= (uint8_t)(1 << hz_rng_below(rng, 8));
    }
    sim_inject(f->sim, i % 2 ? "192.0.2.1:999" : QF_CLIENT ":49152", SERVER_PORT, 0, p, t.len[k]);
    if (i % 100 == 0) sim_run_for(f->sim, HZ_MS);
  }
  for (int i = 0; i < 20000; i++) { /* noise */
    uint8_t p[1400];
    size_t len = (size_t)hz_rng_below(rng, sizeof(p));
    hz_rng_fill(rng, p, len);
    sim_inject(f->sim, "192.0.2.1:999", SERVER_PORT, 0, p, len);
    if (i % 100 == 0) sim_run_for(f->sim, HZ_MS);
  }
  unharmed(f, c);
  sim_run_for(f->sim, 40 * HZ_SEC); /* whatever was begun is given up */
  unharmed(f, c);
  cr_assert_leq(sim_alloc(f->senv)->live_bytes, before + (300u << 10));
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_attack, initials_that_do_not_decrypt_leave_nothing_behind) {
  struct qf *f = qf_new(NAME(initials_that_do_not_decrypt_leave_nothing_behind), 1, &lan);
  struct qf_conn *c = bystander(f);
  struct hz_quic_listener *ln;
  listener_of(f, &ln);
  uint8_t p[1200] = {0xc3, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x44, 0x96};
  size_t before = sim_alloc(f->senv)->live_blocks;
  for (uint32_t i = 0; i < 2000; i++) {
    memcpy(p + 6, &i, sizeof(i));
    sim_inject(f->sim, "192.0.2.1:999", SERVER_PORT, 0, p, sizeof(p));
    if (i % 100 == 0) sim_run_for(f->sim, HZ_MS);
  }
  sim_run_for(f->sim, 20 * HZ_MS);
  cr_assert_leq(ln->half_open, ln->base.config.limits.prefix_retry_from + 1);
  sim_run_for(f->sim, 15 * HZ_SEC);
  cr_assert_eq(ln->half_open, 0u);
  cr_assert_leq(sim_alloc(f->senv)->live_blocks, before + 8);
  unharmed(f, c);
  cr_assert_eq(qf_free(f), 0u);
}

/* ---- established, and misbehaving ---- */

Test(quic_attack, t17_packets_replayed_from_a_victims_address_do_not_move_the_connection) {
  struct qf *f =
      qf_new(NAME(t17_packets_replayed_from_a_victims_address_do_not_move_the_connection), 1, &lan);
  qf_listen(f);
  struct tape t = {.from = QF_CLIENT};
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, LIMIT));
  sim_run_for(f->sim, 100 * HZ_MS);
  sim_tap(f->sim, record, &t);
  /* The attacker is faster than the client: its copy comes first. */
  sim_link(f->sim, QF_CLIENT, QF_SERVER)->delay_ns = 40 * HZ_MS;
  struct qf_stream *call = qf_call(c, 100000);
  sim_run_for(f->sim, HZ_MS);
  for (unsigned i = 0; i < t.count; i++) {
    sim_inject(f->sim, "192.0.2.1:999", SERVER_PORT, 0, t.data[i], t.len[i]);
  }
  cr_assert(qf_until_true(f, &call->done, LIMIT));
  sim_run_for(f->sim, 5 * HZ_SEC);
  struct qf_conn *s = qf_server_conn(f, 0);
  cr_assert_eq(strncmp(s->peer.addr, QF_CLIENT ":", strlen(QF_CLIENT) + 1), 0, "%s", s->peer.addr);
  struct sim_counts *to = &sim_link(f->sim, QF_SERVER, "192.0.2.1")->n;
  size_t injected = 0;
  for (unsigned i = 0; i < t.count; i++) injected += t.len[i];
  cr_assert_leq(to->sent_bytes, 3 * injected);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_attack, t12_a_receiver_that_never_acknowledges_a_stream_holds_little) {
  struct qf *f =
      qf_new(NAME(t12_a_receiver_that_never_acknowledges_a_stream_holds_little), 1, &lan);
  f->scfg.limits.idle_timeout_ns = f->ccfg.limits.idle_timeout_ns = 5 * HZ_SEC;
  struct qf_conn *c = bystander(f);
  /* The server's answers vanish after a while: it may not pile them up. */
  struct qf_stream *call[64];
  for (int i = 0; i < 64; i++) call[i] = qf_call(c, 200000);
  sim_run_for(f->sim, 30 * HZ_MS);
  sim_link(f->sim, QF_SERVER, QF_CLIENT)->loss = 1;
  sim_run_for(f->sim, 3 * HZ_SEC);
  cr_assert_lt(sim_alloc(f->senv)->live_bytes, 8u << 20);
  cr_assert(qf_until(f, &c->closed, LIMIT));
  cr_assert_not(call[63]->done);
  cr_assert_eq(qf_free(f), 0u);
}
