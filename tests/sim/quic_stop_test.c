/* A stream that is stopped while its bytes are delivered, when they came out of order and lie in
 * ngtcp2's own buffer: the first packet comes last, everything behind it is delivered at once, and the
 * stop comes from inside. AddressSanitizer sees who reads what was freed. Not here: stops between
 * events (quic_basic_test.c). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/app_pair.h"
#include "tests/support/quic_fixture.h"

#define DELAY (10 * HZ_MS)
#define CLIENT AP_CLIENT ":" /* of both fixtures */

/* Holds back the first large datagram of the client, and lets it go once the others have left. */
static struct {
  bool armed, held;
  char from[64], to[64];
  uint8_t ecn, data[1500];
  size_t len;
  unsigned overtakers;
} first;

static void let_go(struct sim *sim, void *arg) {
  (void)arg;
  sim_inject(sim, first.from, first.to, first.ecn, first.data, first.len);
}

static bool hold_first(struct sim *sim, const struct sim_datagram *d, void *arg) {
  (void)arg;
  if (strncmp(d->from, CLIENT, strlen(CLIENT)) != 0 || d->len < 1000) return true;
  first.overtakers += first.held;
  if (!first.armed) return true;
  first.armed = false;
  first.held = true;
  snprintf(first.from, sizeof(first.from), "%s", d->from);
  snprintf(first.to, sizeof(first.to), "%s", d->to);
  first.ecn = d->ecn;
  memcpy(first.data, d->data, d->len);
  first.len = d->len;
  sim_at(sim, sim_now(sim) + HZ_US, let_go, NULL);
  return false;
}

/* ---- the adapter: bytes stand until the event returns, whatever it asks for ---- */

static uint8_t byte_at(size_t offset) {
  return (uint8_t)(offset * 7 + offset / 251);
}

static unsigned events;
static size_t at;

static void stops_at_once(struct hz_stream *s, const uint8_t *data, size_t len, bool fin) {
  (void)fin;
  if (++events == 2) s->conn->ops->stream_stop(s, 7);
  for (size_t i = 0; i < len; i++) cr_assert_eq(data[i], byte_at(at + i), "byte %zu", at + i);
  at += len;
}

Test(quic_stop, bytes_that_came_out_of_order_stand_while_they_are_delivered) {
  static uint8_t bytes[8000];
  const struct sim_link link = {.delay_ns = DELAY};
  struct qf *f =
      qf_new("quic_stop/bytes_that_came_out_of_order_stand_while_they_are_delivered", 1, &link);
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, HZ_SEC));
  sim_run_for(f->sim, HZ_SEC);
  struct hz_conn *server = qf_server_conn(f, 0)->c;
  struct hz_conn_events changed = *server->events;
  changed.data = stops_at_once;
  server->events = &changed;
  for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = byte_at(i);
  struct qf_stream *st = qf_open(c, HZ_BIDI);
  first.armed = true;
  sim_tap(f->sim, hold_first, NULL);
  cr_assert_eq(qf_send(st, bytes, sizeof(bytes), false), HZ_OK);
  sim_run_for(f->sim, HZ_SEC);
  cr_assert_geq(first.overtakers, 5u);
  cr_assert_geq(events, 2u);
  cr_assert(st->was_stopped);
  cr_assert_eq(st->code, 7u);
  cr_assert_eq(qf_free(f), 0u);
}

/* ---- the whole: a body over its limit ---- */

struct upload {
  size_t left;
};

/* Frames much smaller than a packet, so that several lie in whatever is delivered at once. */
static long little_by_little(void *arg, void *dst, size_t cap) {
  struct upload *u = arg;
  size_t n = u->left < 100 ? u->left : 100;
  if (n > cap) n = cap;
  memset(dst, 'x', n);
  u->left -= n;
  return (long)n;
}

static void upload(struct app_pair *p, size_t len, int status) {
  struct upload u = {len};
  struct ap_result r = {0};
  const struct herz_request rq = {
      .method = "POST", .path = "/echo", .source = little_by_little, .source_arg = &u};
  cr_assert_eq(herz_call(p->cl, &rq, ap_on_done, &r, NULL), 0);
  cr_assert(ap_wait(p, &r, 60 * HZ_SEC));
  cr_assert_eq(r.status, status, "%d %s", r.status, r.text);
}

Test(quic_stop, a_body_over_its_limit_whose_first_packet_comes_last_is_413) {
  struct app_pair p;
  cr_assert(ap_start(&p, "quic_stop/a_body_over_its_limit_whose_first_packet_comes_last_is_413", 1,
                     "quic", "limits.body_bytes=5000"));
  sim_path(p.sim, AP_SERVER, AP_CLIENT, &(struct sim_link){.delay_ns = DELAY});
  cr_assert(ap_dial(&p));
  upload(&p, 5000, 200);
  sim_run_for(p.sim, HZ_SEC);
  first.armed = true;
  sim_tap(p.sim, hold_first, NULL);
  upload(&p, 60000, 413); /* its end has not come yet when the limit is passed */
  cr_assert_geq(first.overtakers, 5u);
  upload(&p, 5000, 200);
  ap_stop(&p);
}
