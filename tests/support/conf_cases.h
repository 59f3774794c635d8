/* The cases of the conformance suite's lower level, one function each, and how one is run. Each gets
 * a fixture that is prepared but does not listen yet; what it leaves open is closed and checked. */
#ifndef TESTS_SUPPORT_CONF_CASES_H
#define TESTS_SUPPORT_CONF_CASES_H

#include "tests/support/conf.h"

#define CONF_CASES(X)                            \
  X(opens_on_both_sides_once)                    \
  X(says_who_the_peer_is_and_what_works)         \
  X(says_unsupported_for_what_it_lacks)          \
  X(many_connections_at_once)                    \
  X(is_refused_where_nobody_listens)             \
  X(is_turned_away_when_not_welcome)             \
  X(name_in_use_cannot_be_listened_on)           \
  X(unlisten_keeps_connections)                  \
  X(mute_server_ends_in_the_handshake_timeout)   \
  X(mute_client_is_dropped_in_time)              \
  X(carries_any_size_exactly_both_ways)          \
  X(carries_both_directions_at_once)             \
  X(many_streams_do_not_mix)                     \
  X(either_side_opens_streams)                   \
  X(uni_streams_go_one_way)                      \
  X(half_close_leaves_the_other_direction)       \
  X(empty_stream_ends)                           \
  X(nothing_is_taken_after_the_end)              \
  X(stream_limit_holds_and_slots_follow)         \
  X(reset_reaches_the_peer_and_nobody_else)      \
  X(stop_reaches_the_sender)                     \
  X(reset_and_stop_together_end_a_stream)        \
  X(unread_stream_stops_its_sender_both_ways)    \
  X(writable_follows_every_refusal)              \
  X(unread_stream_does_not_hold_up_others)       \
  X(datagrams_arrive_whole)                      \
  X(datagrams_have_a_largest_size)               \
  X(datagrams_are_bounded_in_number)             \
  X(close_tells_the_peer_why)                    \
  X(close_by_the_server_tells_the_client_why)    \
  X(close_is_heard_once_however_often_asked)     \
  X(close_flushes_what_was_sent)                 \
  X(close_before_open_is_heard)                  \
  X(close_inside_an_event_is_safe)               \
  X(close_on_both_sides_at_once)                 \
  X(close_ends_every_stream)                     \
  X(nothing_is_taken_after_close)                \
  X(close_gives_up_on_a_peer_that_does_not_read) \
  X(peer_that_vanishes_is_noticed)               \
  X(idle_connection_ends)                        \
  X(busy_connection_is_not_idle)                 \
  X(short_memory_is_survived)

typedef void conf_case(struct conf *c);
#define CONF_DECLARE_(name) conf_case conf_##name;
CONF_CASES(CONF_DECLARE_)

/** Runs one case from beginning to end. */
void conf_run(const struct conf_transport *t, enum conf_driver driver, const char *name,
              conf_case *fn);

/** Closed, or the one stream came to its end (a transport that has no other way to say it). */
bool conf_is_closed_or_ended(void *end);

#endif
