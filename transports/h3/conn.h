/* One HTTP/3 connection and its requests: their state, and the functions that the adapter's files
 * call of each other. Private to transports/h3. */
#ifndef TRANSPORTS_H3_CONN_H
#define TRANSPORTS_H3_CONN_H

#include <nghttp3/nghttp3.h>

#include "core/guard/limiter.h"
#include "core/message/message.h"
#include "core/message/outcall.h"
#include "transports/http/request.h"
#include "transports/quic/conn.h"

/** What the peer's QPACK encoder may make us keep, and how many requests may wait for it. Ours keeps
 * no more of the peer's. */
#define HZ_H3_QPACK_BYTES 4096u
#define HZ_H3_QPACK_BLOCKED 16u
/** Content of an answer in one piece: with its headers it stays in a 16 KiB class. */
#define HZ_H3_PIECE 16000u

struct hz_h3_stream;
struct hz_h3_tunnel;
struct hz_h3_raw;

struct hz_h3 {
  struct hz_quic_conn *qc;
  nghttp3_conn *nc; /* NULL once the QUIC connection is gone */
  nghttp3_mem mem;
  struct hz_link streams; /* requests that QUIC has a stream of */
  struct hz_link relief;  /* were told to wait, and something has left since */
  struct hz_link tunnels; /* hz_h3_tunnel.link: whose owner has not heard `closed` */
  uint32_t calls;         /* that dispatch has */
  uint32_t outlived;      /* streams that QUIC is through with and nghttp3 is not */
  struct hz_limiter cancels;
  struct hz_timer drain;        /* from the first GOAWAY to the second */
  bool draining;                /* server: GOAWAY was said */
  bool last_call;               /* no new requests from here on */
  bool wants_slots;             /* client: somebody waits for a stream */
  char *authority;              /* client: of :authority; its own */
  struct hz_h3_tunnel *dialled; /* client: what the connection was made for; NULL: for calls */
  struct hz_h3_raw *raw;        /* NULL: there is no extension */
  int64_t control;              /* our control stream */
  bool settled;                 /* the peer's SETTINGS are here */
  bool peer_connects;           /* they offer extended CONNECT */
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
 * stream is closed. On a client `call` takes the place of `x`. */
struct hz_h3_stream {
  struct hz_exchange x;        /* first */
  struct hz_outcall *call;     /* client: NULL once it has ended */
  struct hz_h3_tunnel *tunnel; /* what it has become by extended CONNECT, as long as that is open */
  struct hz_h3 *h3;            /* NULL: QUIC's stream is gone */
  struct hz_env *env;
  struct hz_buf *self;
  struct hz_link link, relief;
  int64_t id;
  struct hz_h3_head head;
  struct hz_wheel_timer late; /* until the head is whole */
  uint64_t wire;              /* bytes that have left, frames and all */
  uint64_t unconsumed;        /* content whose credit was not returned */
  struct hz_quic_sendq out;   /* content on its way: "sent" is handed to nghttp3 */
  struct hz_buf *place;       /* between reserve and commit */
  bool released;              /* dispatch is through with it, or never had it */
  bool held;                  /* inside hz_call_cancel() */
  bool collects;              /* dispatch, or the caller, waits for content */
  bool fin_came;              /* nghttp3 has all that will come */
  bool outlives;              /* QUIC's stream is closed, but what came waits for QPACK */
  bool recv_done;             /* the request is whole, or nothing more of it is wanted */
  bool answered;              /* a head was submitted */
  bool content;               /* content follows it */
  bool ending;                /* the content is whole */
  bool trailers;
  bool waits;                          /* nghttp3 was told that there is no content now */
  bool cut;                            /* nothing more is sent */
  bool fin_sent, fin_alone, fin_acked; /* alone: in a frame without bytes */
  bool waits_settings;                 /* its head is whole and kept */
  bool plain;                          /* its first bytes were looked at: it is nghttp3's */
  bool let_go;                         /* was a tunnel: only what is queued is still sent */
  bool head_only;
  bool
      stop_later; /* nothing more of the request is wanted, which is said when the answer has arrived */
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
/** A request came to nothing by its client's doing. Too often is an attack (CVE-2023-44487, CVE-2025-8671)
 * and ends the connection: each costs us a call and it nothing. Returns what a callback returns. */
int hz_h3_count_cancel(struct hz_h3 *h3);
/** ops->drain. */
void hz_h3_drain(struct hz_conn *base);
/** A draining connection closes when its last request is gone. */
void hz_h3_settle(struct hz_h3 *h3);
/** nghttp3's object; also anew, for a client whose early data was refused. HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_h3_make(struct hz_h3 *h3);
void hz_h3_random(uint8_t *dest, size_t len);
/* Members of hz_quic_app. */
hz_err hz_h3_begin(struct hz_quic_conn *c);
int hz_h3_ready(struct hz_quic_conn *c);
bool hz_h3_flushed(const struct hz_quic_conn *c);
bool hz_h3_explain(const struct hz_quic_conn *c, struct hz_close *why, ngtcp2_ccerr *cc);
void hz_h3_shed(struct hz_quic_conn *c);
void hz_h3_end(struct hz_quic_conn *c);
void hz_h3_free(struct hz_quic_conn *c);

/* io.c: members of hz_quic_app, and nghttp3's callbacks. */
extern const nghttp3_callbacks hz_h3_callbacks;
int hz_h3_on_stream_open(struct hz_quic_conn *c, int64_t id);
int hz_h3_on_data(struct hz_quic_conn *c, int64_t id, void *stream, const uint8_t *bytes,
                  size_t len, bool fin);
int hz_h3_on_acked(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t offset, uint64_t len);
int hz_h3_on_closed(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code);
int hz_h3_on_reset(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code);
int hz_h3_on_stop(struct hz_quic_conn *c, int64_t id, void *stream, uint64_t code);
int hz_h3_on_room(struct hz_quic_conn *c, int64_t id, void *stream);
void hz_h3_on_slots(struct hz_quic_conn *c, enum hz_dir dir);
void hz_h3_on_datagram(struct hz_quic_conn *c, const uint8_t *bytes, size_t len);
ngtcp2_ssize hz_h3_on_write(struct hz_quic_conn *c, const struct hz_quic_writer *w);
void hz_h3_on_written(struct hz_quic_conn *c);

/* client.c */
/** ops->dial, ops->request. */
hz_err hz_h3_dial(struct hz_env *env, const struct hz_endpoint *at,
                  const struct hz_transport_config *config, const struct hz_conn_events *events,
                  void *user, struct hz_conn **out, char *why, size_t why_len);
hz_err hz_h3_request(struct hz_conn *conn, const struct hz_request *rq, struct hz_outcall *x);
/** hz_quic_app.early_rejected. */
int hz_h3_early_rejected(struct hz_quic_conn *c);
/** The head of an answer is whole; `in` has no method. */
void hz_h3_call_head(struct hz_h3_stream *s, const struct hz_http_incoming *in, bool fin);
/** A limit was passed by it. */
void hz_h3_call_refused(struct hz_h3_stream *s);
/** The answer is whole. */
void hz_h3_call_whole(struct hz_h3_stream *s);
/** The server gave it up. */
void hz_h3_call_reset(struct hz_h3_stream *s, uint64_t code);
/** Its stream is gone, for the connection's reason. */
void hz_h3_call_gone(struct hz_h3_stream *s);

/* tunnel.c */
/** A request for one, whole and read. False: it waits for the peer's SETTINGS, its head is to be kept. */
bool hz_h3_tunnel_offer(struct hz_h3_stream *s, const struct hz_http_incoming *in,
                        const struct hz_http_request *r);
/** Bytes in it; its end; the peer gave up sending or reading: the caller abandons the stream. */
void hz_h3_tunnel_data(struct hz_h3_tunnel *t, const uint8_t *data, size_t len);
void hz_h3_tunnel_eof(struct hz_h3_tunnel *t);
void hz_h3_tunnel_broken(struct hz_h3_tunnel *t, uint64_t code);
/** There is room for what its owner was refused. */
void hz_h3_tunnel_relieve(struct hz_h3_tunnel *t);
/** QUIC's stream is gone. */
void hz_h3_tunnel_gone(struct hz_h3_tunnel *t);
/** hz_quic_app.moved. */
void hz_h3_tunnels_moved(struct hz_quic_conn *c);
/** The connection is gone: all that are left hear it now. */
void hz_h3_tunnels_end(struct hz_h3 *h3);

/* dial.c */
/** The server's SETTINGS are here. */
void hz_h3_tunnel_settled(struct hz_h3_tunnel *t);
/** Its answer's head. */
void hz_h3_tunnel_answer(struct hz_h3_tunnel *t, uint32_t status, const struct hz_header *fields,
                         uint32_t count);

/* stream.c */
/** A request that has begun to come; NULL: no memory. */
struct hz_h3_stream *hz_h3_stream_new(struct hz_h3 *h3, int64_t id);
/** QUIC's stream is closed: who waits for the answer is told. `s` may be freed. */
void hz_h3_stream_gone(struct hz_h3_stream *s);
/** Lets go of those that `outlives` once they wait for nothing any more. Not inside nghttp3. */
void hz_h3_reap(struct hz_h3 *h3);
void hz_h3_stream_free_if_done(struct hz_h3_stream *s);
/** Its head, or what has to come before it is served, may take so long. */
void hz_h3_stream_watch(struct hz_h3_stream *s);
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
int hz_h3_end_trailers(nghttp3_conn *nc, int64_t id, int fin, void *user, void *stream);
void hz_h3_head_drop(struct hz_h3_head *h);
/** The peer's SETTINGS are here: what waited for them is served. */
void hz_h3_serve_waiting(struct hz_h3 *h3);
/** The field section size that SETTINGS tells (RFC 9114 4.2.2). */
uint64_t hz_h3_section_max(const struct hz_limits *l);

/* answer.c */
extern const struct hz_exchange_ops hz_h3_exchange_ops;
/** Content out of `s->out`. */
nghttp3_ssize hz_h3_read_content(nghttp3_conn *nc, int64_t id, nghttp3_vec *vec, size_t max,
                                 uint32_t *flags, void *user, void *stream);
nghttp3_nv hz_h3_nv(struct hz_str name, struct hz_str value);
/** How much content may be queued; 0: `relieve` comes. */
size_t hz_h3_room(struct hz_h3_stream *s);
/** A place for it (hz_h3_room() is not 0), and what was written there: sent when `s->content`. */
uint8_t *hz_h3_reserve(struct hz_h3_stream *s, size_t *cap);
HZ_MUST_USE hz_err hz_h3_commit(struct hz_h3_stream *s, size_t len);
/** Content was queued in s->out, or its end is due. */
void hz_h3_go_on(struct hz_h3_stream *s);
/** The answer's head. HZ_ENOMEM, HZ_ECLOSED. */
struct hz_http_response;
HZ_MUST_USE hz_err hz_h3_submit_head(struct hz_h3_stream *s, const struct hz_http_response *head);
/** An answer that is whole. */
HZ_MUST_USE hz_err hz_h3_answer(struct hz_h3_stream *s, const struct hz_response *rs);
/** The content is whole. */
void hz_h3_finish(struct hz_h3_stream *s, const struct hz_header *trailers, uint32_t count);
/** HTTP/3's code for a cancel code. */
uint64_t hz_h3_cancel_code(uint32_t cancel);
/** The answer is out, or there will be none: what is left of the request is not read any more. */
void hz_h3_leave_rest(struct hz_h3_stream *s);
/** It has arrived, or will not: time to say so. */
void hz_h3_stop_due(struct hz_h3_stream *s);
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
