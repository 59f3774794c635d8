/* An HTTP/3 client made by hand, for a server of app_pair.h: QUIC streams of our adapter, frames and
 * QPACK literals written here byte by byte, so that what no well-behaved client sends can be sent.
 * Responses are decoded by nghttp3's QPACK. Not here: what is asserted (the tests'). */
#ifndef TESTS_SUPPORT_H3_PEER_H
#define TESTS_SUPPORT_H3_PEER_H

#include <nghttp3/nghttp3.h>

#include "tests/support/app_pair.h"

struct h3_peer;

/** One stream that this side opened, and what came back on it. */
struct h3_call {
  struct h3_peer *peer;
  struct hz_stream *s; /* NULL: closed */
  uint64_t id;
  struct hz_buf *in; /* a frame that is not whole yet */
  bool hold;         /* content is not consumed */
  bool raw;          /* no frames come: all of it is content */
  int status;        /* of the last head */
  unsigned heads, infos, trailers, frames, data_frames;
  char fields[2048];    /* "name: value\n" of all heads */
  uint8_t content[256]; /* the first bytes of it */
  size_t len, held;
  uint64_t sum; /* of the content, ap_sum() */
  bool fin, was_reset, was_stopped, closed;
  uint64_t reset_code, stop_code;
  /* content to be sent as there is room */
  const uint8_t *body;
  size_t body_len, body_sent;
};

struct h3_peer {
  struct app_pair *p;
  struct hz_conn *c; /* NULL: closed */
  struct hz_transport_config config;
  char ca[96];
  nghttp3_qpack_decoder *qpack;
  nghttp3_mem mem;
  bool opened, early, confirmed, early_accepted, closed;
  struct hz_close why;
  unsigned uni_streams; /* that the server opened */
  size_t control_len;   /* what came on its control stream */
  uint8_t control[512];
  unsigned datagrams; /* that came */
  uint8_t datagram[64];
  size_t datagram_len; /* the last one */
  uint64_t goaway[4];
  unsigned goaways;
  struct h3_call calls[600];
  unsigned call_count;
  void (*on_opened)(struct h3_peer *);
};

/** Dials; `session` (NULL: none) is the file of tickets. */
void h3_dial(struct h3_peer *h, struct app_pair *p, const char *session);
/** The same, taking at most `streams` of the server's at once (0: the default). */
void h3_dial_limited(struct h3_peer *h, struct app_pair *p, const char *session, uint32_t streams);
/** Runs until it is open, and sends control stream, SETTINGS and QPACK streams when `polite`. */
void h3_connect(struct h3_peer *h, struct app_pair *p, bool polite);
/** Control stream, SETTINGS and QPACK streams. */
void h3_introduce(struct h3_peer *h);
/** The same with these entries ("\x33\x01...": pairs of varints). */
void h3_introduce_as(struct h3_peer *h, const void *entries, size_t len);
/** Closes and frees what is left. */
void h3_leave(struct h3_peer *h);

/** A frame, or a varint, appended to `out`; returns the new length. */
size_t h3_varint(uint8_t *out, size_t len, uint64_t v);
size_t h3_frame(uint8_t *out, size_t len, uint64_t type, const void *payload, size_t payload_len);
/** A HEADERS frame of "name: value\n" lines, literals without Huffman. */
size_t h3_headers(uint8_t *out, size_t len, const char *lines);
/** The four pseudo-header fields and `more` (NULL: nothing). */
size_t h3_request_head(uint8_t *out, const char *method, const char *path, const char *more);

/** A new stream with these bytes. */
struct h3_call *h3_stream(struct h3_peer *h, enum hz_dir dir, const void *data, size_t len,
                          bool fin);
void h3_send(struct h3_call *c, const void *data, size_t len, bool fin);
/** A whole request; content in one DATA frame, as there is room. */
struct h3_call *h3_request(struct h3_peer *h, const char *method, const char *path,
                           const char *more, const void *body, size_t len);
/** A datagram. */
void h3_datagram(struct h3_peer *h, const void *data, size_t len);
/** Gives back what was held, and holds no more. */
void h3_release(struct h3_call *c);

/** Until the stream is over; false: not within 300 s. */
bool h3_done(struct h3_call *c);
/** Until the connection is closed. */
bool h3_closed(struct h3_peer *h);
uint64_t h3_counted(struct h3_peer *h, const char *counter);

#endif
