/* Every bound that a peer could otherwise push, with its default. One struct, so that a
 * configuration file has one section and a test can shrink one number. */
#ifndef CORE_GUARD_LIMITS_H
#define CORE_GUARD_LIMITS_H

#include <stdint.h>

#include "core/time/timers.h"

/** Zero in a member means the default that hz_limits_defaults() fills in. Sizes are bytes. */
struct hz_limits {
  uint32_t connections;         /* of an app: 100000 */
  uint32_t streams;             /* a connection, opened by the peer, at once: 1024 */
  uint32_t calls;               /* in flight a connection, each way: 1024 */
  uint32_t frame_bytes;         /* accepted length field: 1 MiB */
  uint32_t header_bytes;        /* of one call, names and values: 64 KiB */
  uint32_t header_count;        /* 128 */
  uint32_t path_bytes;          /* 8 KiB */
  uint32_t call_memory_bytes;   /* what one call may take from its arena: 1 MiB */
  uint64_t body_bytes;          /* collected before a handler is called: 16 MiB */
  uint64_t conn_body_bytes;     /* the same, all calls of one connection: 64 MiB */
  uint32_t call_credit_bytes;   /* window of a streamed body: 256 KiB */
  uint32_t send_high_bytes;     /* waiting on one stream: 256 KiB */
  uint32_t send_low_bytes;      /* writable again: 64 KiB */
  uint64_t pool_bytes;          /* buffers handed out by a worker: 1 GiB */
  uint32_t message_bytes;       /* one WebSocket message: 16 MiB */
  uint32_t open_files;          /* of one herz_static(), on a worker: 1024 */
  uint32_t wt_sessions;         /* WebTransport sessions of one connection: 16 */
  uint32_t event_queue_bytes;   /* server-sent events that wait on one stream: 64 KiB */
  uint32_t cancels;             /* requests of a connection given up unanswered, at once: 500 */
  uint32_t cancels_per_second;  /* and so many more each second: 50 */
  uint32_t glitches;            /* oddities of a connection that mean nothing, at once: 1000 */
  uint32_t glitches_per_second; /* and so many more each second: 33 */
  uint32_t subscriptions;       /* of one connection: 1000 */
  uint32_t sub_queue_events;    /* that wait for one subscription: 1024 */
  uint32_t sub_queue_bytes;     /* the same in bytes: 1 MiB */
  uint32_t conn_queue_bytes;    /* for all of one connection: 4 MiB */
  uint32_t topics;              /* that have history: 10000 */
  uint64_t history_bytes;       /* of all of them: 64 MiB */
  uint32_t resume_sessions;     /* that wait for their client, of an app: 10000 */
  uint64_t resume_bytes;        /* what all sessions remember of answers: 64 MiB */
  uint32_t presence_members;    /* on all topics: 1000000 */
  uint32_t presence_list;       /* of a topic with more nobody is told who: 256 */
  uint32_t datagrams;           /* waiting to leave on one connection: 256 */
  uint32_t retry_from;          /* QUIC handshakes under way before Retry is asked for: 128 */
  uint32_t prefix_retry_from;   /* the same, of one network (/24, /48): 64 */
  uint32_t prefix_handshakes;   /* of one network at all: 1024 */
  uint32_t closed_kept;         /* closed QUIC connections that still answer: 4096 */
  hz_time handshake_timeout_ns; /* 10 s, from accept to opened */
  hz_time idle_timeout_ns;      /* 60 s without a byte */
  hz_time frame_timeout_ns;     /* 10 s from a frame's first byte to its last */
  hz_time call_timeout_ns;      /* 60 s from request to answer's end, unless a call asks for less */
  hz_time resume_grace_ns;      /* 30 s that a session waits for its client */
  hz_time presence_window_ns;   /* 200 ms that changes of who is on a topic are gathered for */
  hz_time close_timeout_ns;     /* 5 s to flush what waits when closing */
};

/** Fills every zero member with its default. */
void hz_limits_defaults(struct hz_limits *l);

#endif
