/* QUIC on a good network: handshake, streams, datagrams, versions, congestion control, close.
 * Not here: loss (quic_loss_test.c), attacks (quic_attack_test.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/quic_fixture.h"

#define LIMIT (30 * HZ_SEC)

static const struct sim_link lan = {.delay_ns = 10 * HZ_MS};

Test(quic_basic, a_call_is_echoed_byte_exact) {
  struct qf *f = qf_new("quic_basic/a_call_is_echoed_byte_exact", 1, &lan);
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, LIMIT));
  cr_assert_not(c->opened_early);
  cr_assert(c->peer.tls && c->peer.tls_verified);
  cr_assert_str_eq(c->peer.alpn, "herz/1");
  cr_assert_str_eq(c->peer.addr, "10.0.0.1:4433");
  struct qf_stream *call = qf_call(c, 100000);
  cr_assert_not_null(call);
  cr_assert(qf_until_true(f, &call->closed, LIMIT));
  cr_assert(call->done);
  cr_assert_eq(qf_free(f), 0);
}
