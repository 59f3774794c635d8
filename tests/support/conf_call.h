/* The conformance suite's upper level: calls through herz.h over any transport. The cases say what a
 * handler and its caller see; the same on every transport. Not here: the transports' own contract
 * (conf_cases.h). */
#ifndef TESTS_SUPPORT_CONF_CALL_H
#define TESTS_SUPPORT_CONF_CALL_H

#include <herz/herz.h>

#include "tests/support/conf.h"

/** Two apps: on real loops of their own, turned in alternation, or on two simulated hosts. */
struct conf_calls {
  const struct conf_transport *t;
  enum conf_driver driver;
  struct sim *sim;
  herz_app *server, *client;
  herz_client *cl;
  char dir[64], url[160];
  char config[512]; /* added to both apps' before conf_calls_listen(): one key=value a line */
  uint32_t closed;  /* how often HERZ_CLOSED came */
  struct herz_close_info why;
  char why_text[160];
  enum herz_client_state state;
  herz_deferred *promises[8]; /* of the handlers of /later */
  uint32_t promised;
  uint32_t ends;               /* calls of /later and /slow-* whose end the handler heard */
  uint64_t produced, consumed; /* bytes that handlers made and took */
  herz_ctx *reader;            /* of /take, while it does not read */
  bool hold;                   /* /take does not read */
};

/** An answer to one call. */
struct conf_answer {
  uint32_t done; /* how often: 1 at the end */
  int err, status;
  enum herz_body_kind kind;
  uint8_t *body; /* malloc()ed, or NULL */
  size_t len;
  char fields[1024]; /* the headers: "name=value\n" after each other, names as they came */
  char trailers[1024];
  size_t streamed; /* taken by on_data */
  bool hold;       /* on_data says no */
  bool exact;      /* what was streamed is what /make makes */
  herz_call_handle *handle;
};

/** Prepares; c->config may be set before conf_calls_listen(). */
void conf_calls_begin(struct conf_calls *c, const struct conf_transport *t, enum conf_driver driver,
                      const char *name, uint64_t seed);
/** Makes both apps, listens, and dials. */
void conf_calls_listen(struct conf_calls *c);
/** Closes, frees, checks. */
void conf_calls_finish(struct conf_calls *c);

/** Dials again, to `url` (NULL: the server's). */
herz_client *conf_calls_dial(struct conf_calls *c, const char *url,
                             const struct herz_dial_options *options);
void conf_calls_until(struct conf_calls *c, conf_cond *cond, void *arg, const char *what);
void conf_calls_settle(struct conf_calls *c);
/** The clock of the driver. */
uint64_t conf_calls_now_ms(const struct conf_calls *c);

/** Begins a call; `a` stands until it is done and is then freed by conf_answer_free(). */
void conf_call_begin(struct conf_calls *c, const struct herz_request *rq, struct conf_answer *a);
/** The same and waits for its end. */
void conf_call(struct conf_calls *c, const struct herz_request *rq, struct conf_answer *a);
/** GET, expecting a status. */
void conf_get(struct conf_calls *c, const char *path, int status);
bool conf_call_is_done(void *answer);
void conf_answer_free(struct conf_answer *a);

/** The byte at `i` of what /make makes and what cases upload. */
static inline uint8_t conf_byte(size_t i) {
  return (uint8_t)(i * 7 + (i >> 8) * 13 + (i >> 16) * 31);
}
/** For herz_request.on_data: checks against conf_byte(), pauses while hold. `arg`: a conf_answer. */
bool conf_take(herz_call_handle *h, const struct herz_response *head, const void *data, size_t len,
               void *arg);

void conf_routes(struct conf_calls *c);

/** The other side disappears: its sockets are cut, or its simulated host. */
void conf_calls_vanish(struct conf_calls *c);

#define CONF_CALL_CASES(X)                             \
  X(a_call_is_answered)                                \
  X(unknown_path_is_404_and_wrong_method_405)          \
  X(headers_and_query_arrive)                          \
  X(head_and_options_need_no_route)                    \
  X(thousand_calls_are_in_flight)                      \
  X(ten_mebibytes_go_both_ways)                        \
  X(streamed_bodies_go_both_ways)                      \
  X(trailers_follow_streamed_content)                  \
  X(trailers_over_the_limit_end_the_call)              \
  X(caller_that_does_not_read_stops_the_handler)       \
  X(handler_that_does_not_read_stops_the_caller)       \
  X(stopped_call_does_not_hold_up_others)              \
  X(body_over_the_limit_is_413)                        \
  X(cancelled_call_ends_on_both_sides)                 \
  X(deadline_ends_a_call_that_nobody_answers)          \
  X(handler_that_fails_is_500_and_the_next_call_works) \
  X(handler_that_never_answers_is_504)                 \
  X(answer_after_the_caller_left_is_dropped)           \
  X(broken_answer_is_an_error)                         \
  X(closing_client_ends_its_calls)                     \
  X(draining_server_lets_calls_finish)                 \
  X(peer_that_vanishes_ends_calls)                     \
  X(refused_dial_says_so)                              \
  X(calls_before_open_wait)                            \
  X(ping_is_answered)                                  \
  X(many_clients_at_once)                              \
  X(events_come_in_order)                              \
  X(service_publishes)                                 \
  X(unsubscribing_ends_events)                         \
  X(refused_topics_leave_the_connection)               \
  X(long_events_arrive)                                \
  X(subscriptions_outlive_connections)                 \
  X(closing_ends_publishes)                            \
  X(events_come_in_every_class)                        \
  X(who_is_on_a_topic_is_told)                         \
  X(one_event_reaches_many)                            \
  X(taps_hear_and_loops_end)

typedef void conf_call_case(struct conf_calls *c);
#define CONF_DECLARE_CALL_(name) conf_call_case conf_calls_##name;
CONF_CALL_CASES(CONF_DECLARE_CALL_)

void conf_calls_run(const struct conf_transport *t, enum conf_driver driver, const char *name,
                    conf_call_case *fn);

#endif
