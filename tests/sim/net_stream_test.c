/* Behaviour of the simulator's byte streams: what a socket does, and what a bad path does to it.
 * Not here: datagrams (net_udp_test.c), protocols. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/sim_net.h"

#define A "10.0.0.1"
#define B "10.0.0.2"

/* One end and what it went through. Content is a running counter, checked on the way in. */
struct end {
  struct hz_io *io;
  bool opened, eof, closed, hold;
  uint32_t writable, pieces;
  size_t got, sent;
  hz_time last_at;
  struct hz_close why;
};

struct fixture {
  struct sim *sim;
  struct hz_env *ea, *eb;
  struct hz_acceptor *acceptor;
  struct end a, b; /* a has dialled */
};

static uint8_t byte_at(size_t i) {
  return (uint8_t)(i * 31 + i / 251);
}

static void on_opened(struct hz_io *io) {
  ((struct end *)io->user)->opened = true;
}
static void on_data(struct hz_io *io, const uint8_t *data, size_t len) {
  struct end *e = io->user;
  for (size_t i = 0; i < len; i++) cr_assert_eq(data[i], byte_at(e->got + i));
  e->got += len;
  e->pieces++;
  e->last_at = io->env->now;
  if (e->hold) hz_io_pause(io, true);
}
static void on_eof(struct hz_io *io) {
  ((struct end *)io->user)->eof = true;
}
static void on_writable(struct hz_io *io) {
  ((struct end *)io->user)->writable++;
}
static void on_closed(struct hz_io *io, const struct hz_close *why) {
  struct end *e = io->user;
  cr_assert(!e->closed);
  e->closed = true;
  e->why = *why;
  e->io = NULL;
  hz_io_destroy(io);
}
static const struct hz_io_events events = {.opened = on_opened,
                                           .data = on_data,
                                           .eof = on_eof,
                                           .writable = on_writable,
                                           .closed = on_closed};

static void on_accepted(struct hz_acceptor *acceptor, struct hz_io *io) {
  struct fixture *f = acceptor->user;
  io->events = &events;
  io->user = &f->b;
  f->b.io = io;
  f->b.opened = true;
}

static hz_err listen_at(struct fixture *f, uint16_t port) {
  struct hz_acceptor proto = {.accepted = on_accepted, .user = f};
  struct hz_endpoint ep = {.port = port};
  char why[128];
  return hz_net_of(f->eb)->listen(f->eb, &ep, &proto, &f->acceptor, why, sizeof(why));
}

static hz_err dial(struct fixture *f, const char *host, uint16_t port) {
  struct hz_endpoint ep = {.port = port, .host_kind = HZ_HOST_IPV4};
  char why[128];
  snprintf(ep.host, sizeof(ep.host), "%s", host);
  return hz_net_of(f->ea)->connect(f->ea, &ep, NULL, &events, &f->a, &f->a.io, why, sizeof(why));
}

static void setup(struct fixture *f, const char *name, uint64_t seed,
                  const struct sim_link *conditions) {
  memset(f, 0, sizeof(*f));
  f->sim = sim_new(name, seed);
  f->ea = sim_host(f->sim, A);
  f->eb = sim_host(f->sim, B);
  if (conditions != NULL) sim_path(f->sim, A, B, conditions);
  cr_assert_eq(listen_at(f, 80), HZ_OK);
}

static void connected(struct fixture *f, const char *name, uint64_t seed,
                      const struct sim_link *conditions) {
  setup(f, name, seed, conditions);
  cr_assert_eq(dial(f, B, 80), HZ_OK);
  sim_run_for(f->sim, HZ_SEC);
  cr_assert(f->a.opened && f->b.opened);
}

static void teardown(struct fixture *f) {
  static const struct hz_close clean = {.by = HZ_BY_LOCAL};
  if (f->a.io != NULL) hz_io_abort(f->a.io, &clean);
  if (f->b.io != NULL) hz_io_abort(f->b.io, &clean);
  hz_net_of(f->eb)->unlisten(f->acceptor);
  sim_run_for(f->sim, HZ_SEC);
  cr_assert_eq(sim_free(f->sim), 0);
}

/* Sends until refused or `total` is reached. */
static void push(struct end *e, size_t total) {
  while (e->sent < total) {
    size_t n = total - e->sent < 10000 ? total - e->sent : 10000;
    struct hz_buf *b = hz_buf_new(&e->io->env->pool, n);
    for (size_t i = 0; i < n; i++) hz_buf_data(b)[i] = byte_at(e->sent + i);
    b->len = (uint32_t)n;
    hz_err err = hz_io_send(e->io, b);
    if (err != HZ_OK) {
      hz_buf_unref(b);
      cr_assert_eq(err, HZ_AGAIN);
      return;
    }
    e->sent += n;
  }
}

static void transfer(struct fixture *f, struct end *from, struct end *to, size_t total) {
  for (int i = 0; i < 100000 && to->got < total; i++) {
    push(from, total);
    sim_run_for(f->sim, 10 * HZ_MS);
  }
  cr_assert_eq(to->got, total);
}

Test(net_stream, opens_after_a_round_trip_and_carries_bytes_both_ways) {
  struct fixture f;
  setup(&f, "net_stream/opens_after_a_round_trip_and_carries_bytes_both_ways", 1,
        &(struct sim_link){.delay_ns = 20 * HZ_MS});
  cr_assert_eq(dial(&f, B, 80), HZ_OK);
  sim_run_for(f.sim, 39 * HZ_MS);
  cr_assert(!f.a.opened);
  sim_run_for(f.sim, HZ_MS);
  cr_assert(f.a.opened);
  cr_assert_str_eq(hz_io_peer(f.a.io).addr, B ":80");
  transfer(&f, &f.a, &f.b, 100);
  transfer(&f, &f.b, &f.a, 3000000);
  teardown(&f);
}

Test(net_stream, nobody_listening_refuses) {
  struct fixture f;
  setup(&f, "net_stream/nobody_listening_refuses", 1, NULL);
  cr_assert_eq(dial(&f, B, 81), HZ_OK);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert(f.a.closed);
  cr_assert_eq(f.a.why.by, HZ_BY_NETWORK);
  cr_assert_eq(f.a.why.err, HZ_EREFUSED);
  cr_assert_eq(f.a.why.code, ECONNREFUSED);
  teardown(&f);
}

Test(net_stream, silence_ends_in_the_handshake_timeout) {
  struct fixture f;
  setup(&f, "net_stream/silence_ends_in_the_handshake_timeout", 1, NULL);
  cr_assert_eq(dial(&f, "10.9.9.9", 80), HZ_OK);
  sim_run_for(f.sim, 9 * HZ_SEC);
  cr_assert(!f.a.closed);
  sim_run_for(f.sim, 2 * HZ_SEC);
  cr_assert(f.a.closed);
  cr_assert_eq(f.a.why.layer, HZ_LAYER_TIMEOUT);
  teardown(&f);
}

Test(net_stream, taken_port_cannot_be_listened_on) {
  struct fixture f;
  setup(&f, "net_stream/taken_port_cannot_be_listened_on", 1, NULL);
  cr_assert_eq(listen_at(&f, 80), HZ_EEXIST);
  teardown(&f);
}

Test(net_stream, pieces_break_at_random_borders) {
  struct fixture f;
  connected(&f, "net_stream/pieces_break_at_random_borders", 1,
            &(struct sim_link){.delay_ns = HZ_MS, .segment_bytes = 100});
  transfer(&f, &f.a, &f.b, 20000);
  cr_assert_gt(f.b.pieces, 200);
  teardown(&f);
}

Test(net_stream, paused_receiver_stops_the_sender_with_bounded_memory) {
  struct fixture f;
  connected(&f, "net_stream/paused_receiver_stops_the_sender_with_bounded_memory", 1, NULL);
  hz_io_pause(f.b.io, true);
  for (int i = 0; i < 50; i++) {
    push(&f.a, 10000000);
    sim_run_for(f.sim, HZ_MS);
  }
  cr_assert_eq(f.b.got, 0);
  cr_assert_lt(f.a.sent, (256u << 10) + (64u << 10) + 20000);
  cr_assert_eq(f.a.writable, 0);
  hz_io_pause(f.b.io, false);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.a.writable, 1);
  transfer(&f, &f.a, &f.b, 2000000);
  teardown(&f);
}

Test(net_stream, pause_inside_an_event_holds_at_once) {
  struct fixture f;
  connected(&f, "net_stream/pause_inside_an_event_holds_at_once", 1, NULL);
  f.b.hold = true;
  push(&f.a, 60000);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.b.pieces, 1);
  f.b.hold = false;
  hz_io_pause(f.b.io, false);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.b.got, 60000);
  teardown(&f);
}

Test(net_stream, finish_ends_one_direction_only) {
  struct fixture f;
  connected(&f, "net_stream/finish_ends_one_direction_only", 1, NULL);
  push(&f.a, 50000);
  hz_io_finish(f.a.io);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.b.got, 50000);
  cr_assert(f.b.eof);
  transfer(&f, &f.b, &f.a, 500000);
  struct hz_buf *b = hz_buf_new(&f.ea->pool, 1);
  cr_assert_eq(hz_io_send(f.a.io, b), HZ_ECLOSED);
  hz_buf_unref(b);
  teardown(&f);
}

Test(net_stream, close_flushes_and_the_other_end_sees_the_end) {
  struct fixture f;
  connected(&f, "net_stream/close_flushes_and_the_other_end_sees_the_end", 1,
            &(struct sim_link){.delay_ns = 5 * HZ_MS});
  push(&f.a, 200000);
  size_t sent = f.a.sent;
  hz_io_close(f.a.io, &(struct hz_close){.by = HZ_BY_LOCAL, .code = 7});
  sim_run_for(f.sim, HZ_SEC);
  cr_assert_eq(f.b.got, sent);
  cr_assert(f.b.eof && !f.b.closed);
  cr_assert(!f.a.closed, "it waits for the other end's last bytes");
  sim_run_for(f.sim, 5 * HZ_SEC);
  cr_assert(f.a.closed);
  cr_assert_eq(f.a.why.code, 7);
  push(&f.b, 10); /* to nobody: answered with a reset */
  sim_run_for(f.sim, HZ_SEC);
  cr_assert(f.b.closed);
  cr_assert_eq(f.b.why.code, ECONNRESET);
  teardown(&f);
}

Test(net_stream, close_on_both_sides_is_over_after_a_trip) {
  struct fixture f;
  connected(&f, "net_stream/close_on_both_sides_is_over_after_a_trip", 1,
            &(struct sim_link){.delay_ns = 5 * HZ_MS});
  hz_io_close(f.a.io, &(struct hz_close){.by = HZ_BY_LOCAL, .code = 7});
  sim_run_for(f.sim, 6 * HZ_MS);
  hz_io_close(f.b.io, &(struct hz_close){.by = HZ_BY_LOCAL, .code = 8});
  sim_run_for(f.sim, 6 * HZ_MS);
  cr_assert(f.a.closed && f.b.closed);
  cr_assert_eq(f.b.why.code, 8);
  teardown(&f);
}

Test(net_stream, close_gives_up_on_a_reader_that_does_not_read) {
  struct fixture f;
  connected(&f, "net_stream/close_gives_up_on_a_reader_that_does_not_read", 1, NULL);
  hz_io_pause(f.b.io, true);
  push(&f.a, 10000000);
  hz_io_close(f.a.io, &(struct hz_close){.by = HZ_BY_LOCAL, .code = 7});
  sim_run_for(f.sim, 4 * HZ_SEC);
  cr_assert(!f.a.closed);
  sim_run_for(f.sim, 2 * HZ_SEC);
  cr_assert(f.a.closed);
  cr_assert_eq(f.a.why.code, 7);
  teardown(&f);
}

Test(net_stream, abort_resets_the_other_end) {
  struct fixture f;
  connected(&f, "net_stream/abort_resets_the_other_end", 1, NULL);
  push(&f.a, 100000);
  hz_io_abort(f.a.io, &(struct hz_close){.by = HZ_BY_LOCAL});
  sim_run_for(f.sim, HZ_SEC);
  cr_assert(f.a.closed && f.b.closed);
  cr_assert_eq(f.b.why.by, HZ_BY_NETWORK);
  teardown(&f);
}

Test(net_stream, killed_streams_end_on_both_sides) {
  struct fixture f;
  connected(&f, "net_stream/killed_streams_end_on_both_sides", 1, NULL);
  sim_kill_streams(f.sim, f.ea);
  sim_run_for(f.sim, HZ_SEC);
  cr_assert(f.a.closed && f.b.closed);
  cr_assert_eq(f.a.why.by, HZ_BY_NETWORK);
  teardown(&f);
}

Test(net_stream, unplugged_cable_delays_and_loses_nothing) {
  struct fixture f;
  connected(&f, "net_stream/unplugged_cable_delays_and_loses_nothing", 1,
            &(struct sim_link){.delay_ns = HZ_MS, .segment_bytes = 500});
  push(&f.a, 50000);
  sim_run_for(f.sim, HZ_MS / 2);
  sim_unplug(f.sim, f.eb, true);
  sim_run_for(f.sim, 3 * HZ_SEC);
  cr_assert_eq(f.b.got, 0);
  sim_unplug(f.sim, f.eb, false);
  sim_run_for(f.sim, 3 * HZ_SEC);
  cr_assert_eq(f.b.got, 50000);
  teardown(&f);
}

Test(net_stream, hole_delays_until_it_ends) {
  struct fixture f;
  connected(&f, "net_stream/hole_delays_until_it_ends", 1, NULL);
  struct sim_link *l = sim_link(f.sim, A, B);
  l->hole_from = sim_now(f.sim);
  l->hole_until = l->hole_from + 2 * HZ_SEC;
  push(&f.a, 1000);
  sim_run_for(f.sim, 3 * HZ_SEC);
  cr_assert_eq(f.b.got, 1000);
  cr_assert_eq(f.b.last_at, l->hole_until);
  teardown(&f);
}

Test(net_stream, nothing_leaks_when_memory_is_short) {
  for (uint64_t n = 1; n < 12; n++) {
    struct fixture f;
    setup(&f, "net_stream/nothing_leaks_when_memory_is_short", 1, NULL);
    fault_alloc_fail(sim_alloc(n % 2 == 0 ? f.ea : f.eb), n / 2 + 1, false);
    if (dial(&f, B, 80) == HZ_OK) sim_run_for(f.sim, HZ_SEC);
    teardown(&f);
  }
}

static uint64_t rough_run(uint64_t seed) {
  struct fixture f;
  connected(&f, "net_stream/same_seed_gives_the_same_run", seed,
            &(struct sim_link){.delay_ns = 5 * HZ_MS,
                               .jitter_ns = 10 * HZ_MS,
                               .loss = 0.05,
                               .segment_bytes = 700,
                               .window_bytes = 9000});
  transfer(&f, &f.a, &f.b, 100000);
  transfer(&f, &f.b, &f.a, 50000);
  uint64_t hash = sim_hash(f.sim);
  teardown(&f);
  return hash;
}

Test(net_stream, same_seed_gives_the_same_run) {
  SIM_FOR_SEEDS(seed, 1, 20) {
    cr_assert_eq(rough_run(seed), rough_run(seed));
    cr_assert_neq(rough_run(seed), rough_run(seed + 1));
  }
}
