/* QUIC on bad networks, over many seeds: loss, reordering, duplicates, corruption, holes, a full
 * socket, a narrow path. Bytes must be exact, every stream must end. Not here: attackers. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/quic_fixture.h"

/* One client, some calls of mixed sizes at once; true when every one came back. */
static bool calls_complete(struct qf *f, unsigned count, size_t largest, hz_time limit) {
  struct qf_conn *c = qf_dial(f);
  if (!qf_until(f, &c->opened, limit)) return false;
  struct qf_stream *call[16];
  cr_assert_leq(count, 16u);
  for (unsigned i = 0; i < count; i++) {
    size_t size = i == 0 ? largest : (size_t)hz_rng_below(sim_rng(f->sim), 3000);
    call[i] = qf_call(c, size);
    if (call[i] == NULL) return false;
  }
  for (unsigned i = 0; i < count; i++) {
    if (!qf_until_true(f, &call[i]->closed, limit)) return false;
    if (!call[i]->done || call[i]->wrong) return false;
  }
  return true;
}

static void run_seeds(const char *name, uint64_t count, const struct sim_link *link,
                      size_t largest) {
  SIM_FOR_SEEDS(seed, 1, count) {
    struct qf *f = qf_new(name, seed, link);
    /* At 30 % loss one handshake in fifty needs more than the default of 10 s. */
    f->scfg.limits.handshake_timeout_ns = f->ccfg.limits.handshake_timeout_ns = 120 * HZ_SEC;
    qf_listen(f);
    cr_assert(calls_complete(f, 4, largest, 300 * HZ_SEC), "seed %llu", (unsigned long long)seed);
    cr_assert_eq(qf_free(f), 0u, "seed %llu", (unsigned long long)seed);
  }
}

Test(quic_loss, handshake_and_calls_complete_at_30_percent_loss_with_reordering) {
  const struct sim_link link = {
      .delay_ns = 15 * HZ_MS, .jitter_ns = 5 * HZ_MS, .loss = 0.3, .reorder = 0.1};
  run_seeds("quic_loss/handshake_and_calls_complete_at_30_percent_loss_with_reordering", 60, &link,
            12000);
}

Test(quic_loss, everything_at_once_leaves_bytes_exact) {
  const struct sim_link link = {.delay_ns = 20 * HZ_MS,
                                .jitter_ns = 10 * HZ_MS,
                                .loss = 0.05,
                                .burst = 0.01,
                                .burst_len = 3,
                                .reorder = 0.1,
                                .duplicate = 0.1,
                                .corrupt = 0.05,
                                .ce = 0.02,
                                .again = 0.05};
  run_seeds("quic_loss/everything_at_once_leaves_bytes_exact", 40, &link, 60000);
}

Test(quic_loss, handshake_survives_30_percent_corruption) {
  const struct sim_link link = {.delay_ns = 15 * HZ_MS, .corrupt = 0.3};
  run_seeds("quic_loss/handshake_survives_30_percent_corruption", 30, &link, 5000);
}

Test(quic_loss, bursts_of_three_are_survived) {
  const struct sim_link link = {.delay_ns = 15 * HZ_MS, .burst = 0.08, .burst_len = 3};
  run_seeds("quic_loss/bursts_of_three_are_survived", 30, &link, 20000);
}

Test(quic_loss, a_second_of_delay_is_survived) {
  const struct sim_link link = {.delay_ns = 750 * HZ_MS, .loss = 0.02};
  run_seeds("quic_loss/a_second_of_delay_is_survived", 10, &link, 100000);
}

Test(quic_loss, holes_of_two_seconds_are_survived) {
  const struct sim_link link = {.delay_ns = 15 * HZ_MS,
                                .rate_bytes = 200000,
                                .hole_from = SIM_START + 500 * HZ_MS,
                                .hole_until = SIM_START + 2500 * HZ_MS,
                                .hole_every_ns = 5 * HZ_SEC};
  run_seeds("quic_loss/holes_of_two_seconds_are_survived", 5, &link, 1000000);
}

Test(quic_loss, a_full_socket_loses_nothing) {
  const struct sim_link link = {.delay_ns = 5 * HZ_MS, .again = 0.5};
  run_seeds("quic_loss/a_full_socket_loses_nothing", 20, &link, 200000);
}

Test(quic_loss, a_narrow_path_is_found_out) {
  for (int silent = 0; silent < 2; silent++) {
    const struct sim_link link = {.delay_ns = 10 * HZ_MS, .mtu = 1280, .mtu_silent = silent != 0};
    run_seeds("quic_loss/a_narrow_path_is_found_out", 3, &link, 200000);
  }
}

Test(quic_loss, a_wide_path_is_used) {
  const struct sim_link link = {.delay_ns = 10 * HZ_MS};
  struct qf *f = qf_new("quic_loss/a_wide_path_is_used", 1, &link);
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, HZ_SEC));
  size_t at_first = c->c->ops->datagram_max(c->c);
  struct qf_stream *call = qf_call(c, 300000);
  cr_assert(qf_until_true(f, &call->closed, 60 * HZ_SEC));
  cr_assert_gt(c->c->ops->datagram_max(c->c), at_first);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_loss, a_long_fat_pipe_is_filled) {
  const struct sim_link link = {.delay_ns = 50 * HZ_MS};
  struct qf *f = qf_new("quic_loss/a_long_fat_pipe_is_filled", 1, &link);
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, HZ_SEC));
  hz_time from = sim_now(f->sim);
  struct qf_stream *call = qf_call(c, 20u << 20);
  cr_assert(qf_until_true(f, &call->done, 120 * HZ_SEC));
  /* A watermark (256 KiB) a round trip (100 ms) alone would take 8 s. */
  cr_assert_lt(sim_now(f->sim) - from, 6 * HZ_SEC, "%.3f s",
               (double)(sim_now(f->sim) - from) / 1e9);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_loss, a_slow_link_does_not_starve_small_calls) {
  const struct sim_link link = {.delay_ns = 20 * HZ_MS, .rate_bytes = 125000};
  struct qf *f = qf_new("quic_loss/a_slow_link_does_not_starve_small_calls", 1, &link);
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, HZ_SEC));
  struct qf_stream *big = qf_call(c, 1000000);
  sim_run_for(f->sim, HZ_SEC);
  hz_time from = sim_now(f->sim);
  struct qf_stream *small = qf_call(c, 100);
  cr_assert(qf_until_true(f, &small->done, 10 * HZ_SEC));
  cr_assert_not(big->done);
  cr_assert_lt(sim_now(f->sim) - from, 2 * HZ_SEC);
  cr_assert(qf_until_true(f, &big->done, 120 * HZ_SEC));
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_loss, the_same_seed_gives_the_same_run) {
  const struct sim_link link = {.delay_ns = 15 * HZ_MS, .loss = 0.2, .reorder = 0.2};
  hz_time took[2];
  uint64_t packets[2];
  for (int i = 0; i < 2; i++) {
    struct qf *f = qf_new("quic_loss/the_same_seed_gives_the_same_run", 7, &link);
    qf_listen(f);
    cr_assert(calls_complete(f, 4, 20000, 300 * HZ_SEC));
    took[i] = sim_now(f->sim);
    packets[i] = sim_link(f->sim, QF_CLIENT, QF_SERVER)->n.sent_bytes;
    cr_assert_eq(qf_free(f), 0u);
  }
  cr_assert_eq(took[0], took[1]);
  cr_assert_eq(packets[0], packets[1]);
}
