/* What calls look like to HTTP, whatever its version: cases for the tests of HTTP's transports, beside the
 * suite's calls. Not here: what the bytes of a version look like (tests/sim/http_rules_test.c). */
#ifndef TESTS_SUPPORT_CONF_HTTP_H
#define TESTS_SUPPORT_CONF_HTTP_H

#include "tests/support/conf_call.h"

/* As CONF_CALL_CASES: names of functions conf_calls_NAME(). */
#define CONF_HTTP_CASES(X)                     \
  X(http_values_are_negotiated)                \
  X(http_bodies_have_types_and_lengths)        \
  X(http_head_is_get_without_content)          \
  X(http_options_tell_what_is_allowed)         \
  X(http_some_statuses_have_no_content)        \
  X(http_framing_is_not_the_handlers)          \
  X(http_json_and_msgpack_arrive_as_values)    \
  X(http_errors_are_values)                    \
  X(http_content_is_refused_before_it_is_sent) \
  X(http_the_host_and_own_headers_arrive)

#define CONF_DECLARE_HTTP_(name) conf_call_case conf_calls_##name;
CONF_HTTP_CASES(CONF_DECLARE_HTTP_)

#endif
