/* Whole calls, through both apps, over QUIC on a bad path: every handshake and every call completes
 * and every byte is right, for every seed. */
#include <criterion/criterion.h>

#include "tests/support/app_pair.h"

#define UPLOAD 20000u

static const char patient[] = "limits.handshake_timeout_ms=600000\nlimits.idle_timeout_ms=600000\n"
                              "limits.call_timeout_ms=600000\nlimits.frame_timeout_ms=600000";

Test(app_loss, quic_calls_complete_at_30_percent_loss_with_reordering, .timeout = 600) {
  static uint8_t body[UPLOAD];

  for (size_t i = 0; i < UPLOAD; i++) body[i] = (uint8_t)(i * 7 + i / 251);
  SIM_FOR_SEEDS(seed, 1, 500) {
    struct app_pair p;
    struct ap_result small[4], big;

    cr_assert(ap_start(&p, "sim/app_loss", seed, "quic", patient));
    sim_path(p.sim, AP_SERVER, AP_CLIENT,
             &(struct sim_link){
                 .delay_ns = 20 * HZ_MS, .jitter_ns = 5 * HZ_MS, .loss = 0.3, .reorder = 0.2});
    cr_assert(ap_dial(&p));
    for (int i = 0; i < 4; i++) cr_assert(ap_call(&p, "GET", "/users/42", NULL, 0, &small[i]));
    cr_assert(ap_call(&p, "POST", "/echo", body, UPLOAD, &big));
    for (int i = 0; i < 4; i++) {
      cr_assert(ap_wait(&p, &small[i], 600 * HZ_SEC), "seed %lu: no answer", (unsigned long)seed);
      cr_assert_eq(small[i].status, 200, "seed %lu: %s", (unsigned long)seed, small[i].text);
    }
    cr_assert(ap_wait(&p, &big, 600 * HZ_SEC), "seed %lu: no echo", (unsigned long)seed);
    cr_assert_eq(big.len, UPLOAD, "seed %lu: %s", (unsigned long)seed, big.text);
    cr_assert_eq(big.sum, ap_sum(body, UPLOAD), "seed %lu: bytes differ", (unsigned long)seed);
    ap_stop(&p);
  }
}
