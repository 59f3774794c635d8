/* What happened how often: one table of names, one array of numbers a worker. Not here: how they
 * leave the process. */
#ifndef CORE_OBSERVE_COUNTERS_H
#define CORE_OBSERVE_COUNTERS_H

#include "core/base/tally.h"

/* name, meaning */
#define HZ_COUNTERS(X)                                                                 \
  X(conns_opened, "connections that finished their handshake")                         \
  X(conns_closed, "connections that ended, for whatever reason")                       \
  X(conns_refused, "connections turned away at limits.connections or while draining")  \
  X(conns_failed, "connections that ended with an error")                              \
  X(conns_moved, "connections whose peer came from a new address")                     \
  X(turned_away, "streams refused before their protocol was known: limit or memory")   \
  X(accept_failed, "accepts that failed for a reason of the network")                  \
  X(descriptors_exhausted, "accepts that failed for want of descriptors or memory")    \
  X(bad_first_bytes, "streams on the shared port that begin with no known protocol")   \
  X(handshake_timeout, "handshakes that took longer than limits.handshake_timeout_ms") \
  X(handshake_failed, "handshakes that failed: certificate, ALPN, alert, protocol")    \
  X(tls_failed, "TLS handshakes on the shared port that failed")                       \
  X(tls_without_certificate, "TLS on a port that has no certificate")                  \
  X(http_refused, "HTTP requests that break its rules, or ask for what is not served") \
  X(http_slow, "HTTP requests whose head or content came too slowly")                  \
  X(ws_refused, "upgrade requests that were answered with an error")                   \
  X(ws_protocol, "WebSocket connections that broke RFC 6455")                          \
  X(ws_slow, "WebSocket upgrades that did not arrive in time")                         \
  X(h3_protocol, "HTTP/3 connections that broke RFC 9114")                             \
  X(requests_cancelled, "connections closed for giving up too many calls")             \
  X(bad_packet, "datagrams that are no QUIC packet")                                   \
  X(packets_forwarded, "QUIC packets handed to the worker that has their connection")  \
  X(packets_dropped, "QUIC packets for a worker whose mailbox is full")                \
  X(unknown_connection, "QUIC packets of no known connection")                         \
  X(unknown_version, "QUIC packets of a version that is not spoken here")              \
  X(retry_sent, "QUIC clients asked to prove their address")                           \
  X(handshakes_over_limit, "QUIC handshakes refused because too many are half open")   \
  X(early_data_replayed, "0-RTT tickets that came a second time")                      \
  X(no_memory, "operations refused for want of memory")                                \
  X(transport_other, "transport events without a counter of their own")                \
  X(heartbeats, "PINGs that were sent to keep an idle connection")                     \
  X(frames_in, "frames taken in")                                                      \
  X(frames_out, "frames handed to a transport")                                        \
  X(frame_magic, "connections dropped for a wrong first two bytes of a frame")         \
  X(frame_version, "frames of a version that is not spoken here")                      \
  X(frame_too_big, "frames over limits.frame_bytes")                                   \
  X(frame_bad, "frames with unknown flags, impossible length or wrong checksum")       \
  X(frame_timeout, "frames that were not complete in limits.frame_timeout_ms")         \
  X(envelope_bad, "frame bodies that are no envelope")                                 \
  X(envelope_unknown, "envelopes of a kind that is not known")                         \
  X(envelope_unexpected, "envelopes that may not come there")                          \
  X(credit_overrun, "bodies that ignored their credit")                                \
  X(datagrams_dropped, "datagrams that came in and had no taker")                      \
  X(calls, "calls begun")                                                              \
  X(calls_refused, "calls over limits.calls")                                          \
  X(calls_failed, "calls answered with 500 or above")                                  \
  X(calls_rejected, "calls answered with 400 to 499")                                  \
  X(failures_left_out, "failures that were not kept: too many in a second")            \
  X(calls_panicked, "handlers that panicked")                                          \
  X(calls_unanswered, "handlers that returned without an answer")                      \
  X(calls_timeout, "calls that passed their deadline")                                 \
  X(calls_cancelled, "calls that ended because nobody waited any more")                \
  X(calls_late, "answers that came after their call had ended")                        \
  X(offload_full, "herz_offload() refused: offload.queue is full")                     \
  X(calls_early, "calls that came in 0-RTT")                                           \
  X(calls_early_refused, "calls in 0-RTT that were refused: not safe to replay")       \
  X(head_too_large, "requests over limits.path_bytes, header_count or header_bytes")   \
  X(body_too_large, "request bodies over their limit")                                 \
  X(files_refused, "files not opened: limits.open_files, or no descriptors")           \
  X(events_overflowed, "server-sent events that met limits.event_queue_bytes")         \
  X(wt_refused, "WebTransport sessions that were refused: path, origin, limit, draft") \
  X(wt_protocol, "WebTransport sessions that broke the protocol")                      \
  X(wt_streams_rejected, "WebTransport streams without a session: none, or too many")  \
  X(publishes, "events published by callers on a worker")                              \
  X(events_out, "events handed to a transport")                                        \
  X(events_dropped, "events that a slow subscription did not get")                     \
  X(events_conflated, "events that a newer one of their topic replaced")               \
  X(events_mailbox_full, "events that found a worker's mailbox full")                  \
  X(events_stale, "events whose stream was given up at their deadline")                \
  X(subscribers_closed, "subscribers disconnected because they were slow")             \
  X(presence_joins, "members that came to a topic")                                    \
  X(presence_leaves, "members that left one")                                          \
  X(presence_messages, "messages of who is on a topic")                                \
  X(hub_refused, "subscriptions and publishes that were refused")                      \
  X(sessions_resumed, "sessions that went on on another connection")                   \
  X(sessions_refused, "tokens that named no session of whoever showed them")           \
  X(sessions_parked, "times that a session lost its connection")                       \
  X(sessions_expired, "sessions that nobody came back for in limits.resume_grace_ms")  \
  X(sessions_evicted, "sessions that had to go at limits.resume_sessions")             \
  X(sessions_overflowed, "sessions with more to remember than there was room for")     \
  X(idle_timeout, "connections closed after limits.idle_timeout_ms without a byte")    \
  X(send_full, "times that a stream was at limits.send_high_bytes")

/* The same by transport: name, meaning */
#define HZ_TRANSPORT_COUNTERS(X)                                    \
  X(conns_opened, "connections that finished their handshake")      \
  X(conns_closed, "connections that ended, for whatever reason")    \
  X(conns_failed, "connections that ended with an error")           \
  X(streams, "streams that a peer opened, the shared one included") \
  X(calls, "calls begun")                                           \
  X(calls_failed, "calls answered with 500 or above")               \
  X(calls_rejected, "calls answered with 400 to 499")               \
  X(content_bytes_in, "bytes of requests' content")                 \
  X(content_bytes_out, "bytes of answers' content")

enum hz_counter {
#define X(name, text) HZ_C_##name,
  HZ_COUNTERS(X)
#undef X
      HZ_COUNTER_COUNT
};

enum hz_transport_counter {
#define X(name, text) HZ_T_##name,
  HZ_TRANSPORT_COUNTERS(X)
#undef X
      HZ_TRANSPORT_COUNTER_COUNT
};

/** Transports that are counted apart: as many as can be registered. */
#define HZ_COUNTER_SLOTS 16u

/** Written by their worker, read by any thread. */
struct hz_counters {
  hz_tally v[HZ_COUNTER_COUNT];
  hz_tally by_transport[HZ_COUNTER_SLOTS][HZ_TRANSPORT_COUNTER_COUNT];
};

#define HZ_COUNT(counters, name) hz_tally_add(&(counters)->v[HZ_C_##name], 1)

/** The same for the transport in slot `slot` (hz_conn.slot). */
#define HZ_COUNT_T(counters, slot, name, n) \
  hz_tally_add(&(counters)->by_transport[slot][HZ_T_##name], n)

/** Name and meaning of a counter; static text. */
const char *hz_counter_name(enum hz_counter c);
const char *hz_counter_text(enum hz_counter c);
const char *hz_transport_counter_name(enum hz_transport_counter c);
const char *hz_transport_counter_text(enum hz_transport_counter c);

/** The counter that a transport's note belongs to (listener->note): transport_other when none is
 * called so. */
enum hz_counter hz_counter_find(const char *name);

#endif
