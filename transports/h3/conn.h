/* One HTTP/3 connection and its requests: their state, and the functions that the adapter's files
 * call of each other. Private to transports/h3. */
#ifndef TRANSPORTS_H3_CONN_H
#define TRANSPORTS_H3_CONN_H

#include <nghttp3/nghttp3.h>

#include "core/message/message.h"
#include "transports/quic/conn.h"
#include "transports/quic/limiter.h"

/** What the peer's QPACK encoder may make us keep, and how many requests may wait for it. Ours keeps
 * no more of the peer's. */
#define HZ_H3_QPACK_BYTES 4096u
#define HZ_H3_QPACK_BLOCKED 16u
/** Content of an answer in one piece: with its headers it stays in a 16 KiB class. */
#define HZ_H3_PIECE 16000u
/** Requests that a client has given up before they were answered: so many at once, and one more each
 * interval. More is rapid reset (CVE-2023-44487). */
#define HZ_H3_CANCELS 500u
#define HZ_H3_CANCEL_INTERVAL_NS (20 * HZ_MS)
/** Oddities that nghttp3 counts (unknown frames, empty ones, ...): the same. */
#define HZ_H3_GLITCHES 1000u
#define HZ_H3_GLITCHES_A_SECOND 33u

struct hz_h3_stream;

struct hz_h3 {
  struct hz_quic_conn *qc;
  nghttp3_conn *nc; /* NULL once the QUIC connection is gone */
  nghttp3_mem mem;
  struct hz_link streams; /* requests that QUIC has a stream of */
  struct hz_link relief;  /* were told to wait, and something has left since */
  uint32_t calls;         /* that dispatch has */
  struct hz_quic_limiter cancels;
  struct hz_timer drain; /* from the first GOAWAY to the second */
  bool draining, last_call;
  /* While nghttp3 reads bytes of a stream that stream cannot be stopped: they may lie in ngtcp2, which
   * frees them then. */
  struct {
    int64_t id; /* -1: none */
    bool stop;
    uint64_t code;
  } reading;
  uint64_t failed; /* the code that ends the connection; 0: none */
  const char *why; /* static */
};

/** A request's head as it comes: names and values one behind the other, lengths beside them. */
struct hz_h3_head {
  struct hz_buf *text, *index; /* NULL: nothing yet */
  uint32_t count, cookies;     /* fields without pseudo-header fields; of them: cookie */
  uint32_t bytes, cookie_bytes;
  uint64_t seen;    /* of all fields, kept or not, as RFC 9114 4.2.2 counts them */
  uint16_t refused; /* a limit was passed: answered with this once the head is whole */
  const char *why;  /* static */
};

/** One request and its answer, in a buffer of the pool. Freed when dispatch has released it and QUIC's
 * stream is closed. */
struct hz_h3_stream {
  struct hz_exchange x; /* first */
  struct hz_h3 *h3;     /* NULL: QUIC's stream is gone */
  struct hz_env *env;
  struct hz_buf *self;
  struct hz_link link, relief;
  int64_t id;
  struct hz_h3_head head;
  struct hz_wheel_timer late; /* until the head is whole */
  uint64_t unconsumed;        /* content whose credit was not returned */
  struct hz_quic_sendq out;   /* content on its way: "sent" is handed to nghttp3 */
  struct hz_buf *place;       /* between reserve and commit */
  bool released;              /* dispatch is through with it, or never had it */
  bool held;                  /* inside hz_call_cancel() */
  bool collects;              /* dispatch waits for content */
  bool recv_done;             /* the request is whole, or nothing more of it is wanted */
  bool answered;              /* a head was submitted */
  bool content;               /* content follows it */
  bool ending;                /* the content is whole */
  bool trailers;
  bool waits; /* nghttp3 was told that there is no content now */
  bool cut;   /* nothing more is sent */
  bool head_only;
};

static inline struct hz_h3 *hz_h3_of(const struct hz_quic_conn *c) {
  return c->app_state;
}

/* conn.c */
/** Ends the connection with an HTTP/3 code, for a static reason; returns what a callback returns. */
int hz_h3_fail(struct hz_h3 *h3, uint64_t code, const char *why);
/** The same for an error of nghttp3. */
int hz_h3_fail_lib(struct hz_h3 *h3, int liberr);
void hz_h3_note(struct hz_h3 *h3, const char *what, const char *detail);
/** ops->drain. */
void hz_h3_drain(struct hz_conn *base);
/** A draining connection closes when its last request is gone. */
void hz_h3_settle(struct hz_h3 *h3);
extern const struct hz_transport_ops hz_h3_ops;

/* stream.c */
/** A request that has begun to come; NULL: no memory. */
struct hz_h3_stream *hz_h3_stream_new(struct hz_h3 *h3, int64_t id);
/** QUIC's stream is closed: who waits for the answer is told. `s` may be freed. */
void hz_h3_stream_gone(struct hz_h3_stream *s);
void hz_h3_stream_free_if_done(struct hz_h3_stream *s);
/** Nothing more is sent: RESET_STREAM. */
void hz_h3_stream_reset(struct hz_h3_stream *s, uint64_t code);
/** Nothing more is read of a stream: STOP_SENDING, now or when that is possible. */
void hz_h3_stop(struct hz_h3 *h3, int64_t id, uint64_t code);
/** `n` bytes of content were taken. */
void hz_h3_stream_consume(struct hz_h3_stream *s, size_t n);
/** The request will not be served: both directions end, dispatch is told if it has it. */
void hz_h3_stream_abandon(struct hz_h3_stream *s, uint64_t code);

/* head.c: nghttp3's callbacks about fields, and what follows when they are whole. */
int hz_h3_begin_headers(nghttp3_conn *nc, int64_t id, void *user, void *stream);
int hz_h3_recv_header(nghttp3_conn *nc, int64_t id, int32_t token, nghttp3_rcbuf *name,
                      nghttp3_rcbuf *value, uint8_t flags, void *user, void *stream);
int hz_h3_end_headers(nghttp3_conn *nc, int64_t id, int fin, void *user, void *stream);
int hz_h3_recv_trailer(nghttp3_conn *nc, int64_t id, int32_t token, nghttp3_rcbuf *name,
                       nghttp3_rcbuf *value, uint8_t flags, void *user, void *stream);
void hz_h3_head_drop(struct hz_h3_head *h);
/** The field section size that SETTINGS tells (RFC 9114 4.2.2). */
uint64_t hz_h3_section_max(const struct hz_limits *l);

/* answer.c */
extern const struct hz_exchange_ops hz_h3_exchange_ops;
/** The answer is out, or there will be none: what is left of the request is not read any more. */
void hz_h3_leave_rest(struct hz_h3_stream *s);
/** Answers a request that dispatch does not get to see. */
void hz_h3_refuse(struct hz_h3_stream *s, uint16_t status, const char *text);
int hz_h3_acked(nghttp3_conn *nc, int64_t id, uint64_t len, void *user, void *stream);
/** Lets who was told to wait go on. */
void hz_h3_relieve(struct hz_h3 *h3);

/* reason.c */
uint64_t hz_h3_code_of(const struct hz_close *why);
void hz_h3_reason_of(struct hz_close *out, uint64_t code, const char *phrase);
/** "H3_MESSAGE_ERROR"; "unknown error". Static. */
const char *hz_h3_error_name(uint64_t code);
hz_err hz_h3_err_of(uint64_t code);

#endif
