/* What a transport's conformance test consists of.
 *
 *   #include "tests/support/conf_suite.h"
 *   static const struct conf_transport transport = {.ops = hz_transport_mem, ...};
 *   CONF_SUITE_REAL
 *   CONF_SUITE_SIM
 *
 * Each case becomes a Criterion test: contract/CASE (the transport's operations) and calls/CASE
 * (herz.h) on real sockets, contract_sim/CASE and calls_sim/CASE on the simulator. */
#ifndef TESTS_SUPPORT_CONF_SUITE_H
#define TESTS_SUPPORT_CONF_SUITE_H

#include <criterion/criterion.h>

#include "tests/support/conf_call.h"
#include "tests/support/conf_cases.h"

static void conf_fail_test(const char *text) {
  cr_assert_fail("%s", text);
}

static inline void conf_run_test(const struct conf_transport *t, enum conf_driver driver,
                                 const char *name, conf_case *fn) {
  conf_on_failure = conf_fail_test;
  conf_run(t, driver, name, fn);
}

static inline void conf_run_calls(const struct conf_transport *t, enum conf_driver driver,
                                  const char *name, conf_call_case *fn) {
  conf_on_failure = conf_fail_test;
  conf_calls_run(t, driver, name, fn);
}

#define CONF_TEST_REAL_(name)                                             \
  Test(contract, name) {                                                  \
    conf_run_test(&transport, CONF_REAL, "contract/" #name, conf_##name); \
  }
#define CONF_TEST_SIM_(name)                                                 \
  Test(contract_sim, name) {                                                 \
    conf_run_test(&transport, CONF_SIM, "contract_sim/" #name, conf_##name); \
  }

#define CONF_CALL_REAL_(name)                                                 \
  Test(calls, name) {                                                         \
    conf_run_calls(&transport, CONF_REAL, "calls/" #name, conf_calls_##name); \
  }
#define CONF_CALL_SIM_(name)                                                     \
  Test(calls_sim, name) {                                                        \
    conf_run_calls(&transport, CONF_SIM, "calls_sim/" #name, conf_calls_##name); \
  }

/** All cases of both levels on real sockets. */
#define CONF_SUITE_REAL       \
  CONF_CASES(CONF_TEST_REAL_) \
  CONF_CALL_CASES(CONF_CALL_REAL_)
/** All cases of both levels on the simulator, in bad weather, with several seeds. */
#define CONF_SUITE_SIM       \
  CONF_CASES(CONF_TEST_SIM_) \
  CONF_CALL_CASES(CONF_CALL_SIM_)

#endif
