/* The body of a frame: [kind, fields...] in msgpack, written in place and read as views into the
 * frame. Positions and meanings: docs/protocol.md. Not here: who may send what when (core/protocol). */
#ifndef CODEC_ENVELOPE_H
#define CODEC_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/msgpack.h"
#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/field.h"
#include "core/base/str.h"

enum hz_kind {
  HZ_HELLO = 0,
  HZ_WELCOME = 1,
  HZ_REQ = 2,
  HZ_RES = 3,
  HZ_DATA = 4,
  HZ_END = 5,
  HZ_CANCEL = 6,
  HZ_CREDIT = 7,
  HZ_SUB = 8,
  HZ_UNSUB = 9,
  HZ_PUB = 10,
  HZ_ACK = 11,
  HZ_EVENT = 12,
  HZ_PING = 13,
  HZ_PONG = 14,
  HZ_GOAWAY = 15,
  HZ_ERROR = 16,
  HZ_GAP = 17,
  HZ_DONE = 18
};

/** Codes of ERROR frames, and of a connection that is closed for the same reasons. The numbers are
 * the wire's: docs/protocol.md. */
enum hz_wire_code {
  HZ_WIRE_BAD_FRAME = 1,    /* flags, length or checksum */
  HZ_WIRE_VERSION = 2,      /* the message lists the versions accepted */
  HZ_WIRE_TOO_LARGE = 3,    /* the message gives the limit of the length field */
  HZ_WIRE_MALFORMED = 4,    /* the body is not an envelope */
  HZ_WIRE_UNEXPECTED = 5,   /* a known kind where it may not be */
  HZ_WIRE_LIMIT = 6,        /* too many subscriptions, for instance */
  HZ_WIRE_UNKNOWN_KIND = 7, /* this one alone leaves the connection open */
  HZ_WIRE_IDLE = 8,         /* nothing came, or the rest of a frame did not */
  HZ_WIRE_SHUTDOWN = 9,
  HZ_WIRE_INTERNAL = 10,
  HZ_WIRE_DENIED = 11, /* authentication is missing or refused */
  HZ_WIRE_FLOW = 12,   /* more content than was granted */
  HZ_WIRE_TOPIC = 13,  /* no topic, no pattern, or options of a SUB that exclude each other */
  HZ_WIRE_LOST = 14    /* a call that was repeated has been done, and its answer is gone */
};

/** What HELLO and WELCOME mean when they leave `credit` or `calls` out, or there is no HELLO. */
#define HZ_CREDIT_DEFAULT 262144u
#define HZ_CALLS_DEFAULT 1024u

/** Headers that one envelope may have; more are HZ_ELIMIT. */
#define HZ_HEADERS_MAX 256u

/** A headers map, still encoded: `count` pairs of str -> str, checked when the envelope was parsed. */
struct hz_headers_view {
  uint32_t count;
  struct hz_str raw;
};

/** Positions by topic, still encoded: `count` pairs of str -> [epoch, offset], checked likewise. */
struct hz_offsets_view {
  uint32_t count;
  struct hz_str raw;
};

/** One envelope. Only the members of its kind are set; the others are zero. All slices point into
 * the parsed bytes. */
struct hz_envelope {
  enum hz_kind kind;
  bool has_id;
  uint64_t id;
  struct hz_str method, path;     /* REQ */
  uint32_t status;                /* RES */
  struct hz_headers_view headers; /* REQ RES PUB EVENT; trailers of END */
  struct hz_body body;            /* REQ RES PUB EVENT; DATA: bytes */
  uint64_t code;                  /* CANCEL, ERROR */
  struct hz_str text; /* ERROR message; GOAWAY alternative URL; SUB pattern; PUB EVENT GAP topic */
  struct hz_str encoded;      /* PUB: headers and body, as they are encoded */
  uint64_t credit;            /* CREDIT n; DONE: how many */
  uint64_t epoch, offset;     /* ACK EVENT GAP */
  uint64_t missed;            /* GAP: how many; 0: nobody knows */
  uint64_t last_id, grace_ms; /* GOAWAY */
  uint8_t opaque[8];          /* PING PONG */
  struct hz_hello {           /* HELLO and WELCOME; absent keys are zero */
    uint32_t v;
    struct hz_str agent;
    struct hz_str auth;
    struct hz_str resume;         /* HELLO: token to resume with */
    struct hz_str offsets;        /* HELLO: msgpack value, as encoded */
    struct hz_str session, token; /* WELCOME */
    uint64_t epoch;               /* WELCOME */
    bool resumed;                 /* WELCOME */
    uint32_t ping_ms;             /* WELCOME */
    uint64_t credit;              /* initial body credit of each call, bytes */
    uint32_t calls;               /* calls that may be unanswered at once */
    uint32_t max_frame;           /* accepted length field */
  } hello;
  struct hz_sub_options {   /* SUB; absent keys are zero */
    struct hz_str delivery; /* "class" */
    struct hz_str slow;     /* what happens when it is slow */
    struct hz_str as;       /* what the subscriber calls itself, where it is seen */
    bool has_from, has_since, has_credit;
    uint64_t from, epoch, since, ago_ms, credit, deadline_ms;
    struct hz_offsets_view offsets;
  } sub;
};

/** Parses `len` bytes of a frame's body. Allocates nothing.
 * HZ_ETRUNC, HZ_EDEPTH (a field nests over HZ_DEPTH_MAX), HZ_ELIMIT (a count larger than the bytes
 * that are left; over HZ_HEADERS_MAX headers), HZ_EPROTO (wrong type, range or array length, invalid
 * UTF-8 in str, 0xc1, trailing bytes, a header's name or value that docs/protocol.md rules out, a
 * known option twice), HZ_EUNSUPPORTED (kind unknown, well-formed otherwise: `out->kind` is its
 * number and `out->id` is set if its second element is an unsigned integer). After any other error
 * `*out` says only `kind` and `id` as far as they were read: for the ERROR frame. */
HZ_MUST_USE hz_err hz_envelope_parse(const void *body, size_t len, struct hz_envelope *out);

/** Iterates over a headers map: `*pos` starts at 0. Returns false at the end. */
bool hz_headers_next(const struct hz_headers_view *h, size_t *pos, struct hz_str *name,
                     struct hz_str *value);

/** Encoders: each appends the body of one frame to `b` (which then goes to hz_frame_seal()).
 * HZ_ELIMIT when `b` has less room than hz_*_size() says, an upper bound that includes the trailer;
 * HZ_EINVAL for what no peer would take: a status outside 100..999, HZ_BODY_FOLLOWS where the whole
 * body has to be there. On failure `b` is unchanged. That text is UTF-8, that header names and
 * values keep to the rules and that a HZ_BODY_VALUE is one msgpack value is the caller's promise. */
size_t hz_req_size(struct hz_str method, struct hz_str path, const struct hz_header *headers,
                   size_t header_count, const struct hz_body *body);
HZ_MUST_USE hz_err hz_encode_req(struct hz_buf *b, uint64_t id, struct hz_str method,
                                 struct hz_str path, const struct hz_header *headers,
                                 size_t header_count, const struct hz_body *body);
size_t hz_res_size(const struct hz_header *headers, size_t header_count,
                   const struct hz_body *body);
HZ_MUST_USE hz_err hz_encode_res(struct hz_buf *b, uint64_t id, uint32_t status,
                                 const struct hz_header *headers, size_t header_count,
                                 const struct hz_body *body);
/** DATA with `len` bytes of content at `data`; wants HZ_DATA_OVERHEAD + len bytes of room. */
#define HZ_DATA_OVERHEAD 24u
HZ_MUST_USE hz_err hz_encode_data(struct hz_buf *b, uint64_t id, const void *data, size_t len);
/** The part of a DATA body that stands before the content, when the content is written behind it in
 * place: at most HZ_DATA_OVERHEAD bytes. */
HZ_MUST_USE hz_err hz_encode_data_head(struct hz_buf *b, uint64_t id, size_t len);

/** The small ones: HZ_SMALL_SIZE bytes of room do for each, plus the text's length. */
#define HZ_SMALL_SIZE 64u
HZ_MUST_USE hz_err hz_encode_end(struct hz_buf *b, uint64_t id, const struct hz_header *trailers,
                                 size_t trailer_count); /* room: hz_res_size(trailers, ...) */
HZ_MUST_USE hz_err hz_encode_cancel(struct hz_buf *b, uint64_t id, uint64_t code);
HZ_MUST_USE hz_err hz_encode_credit(struct hz_buf *b, uint64_t id, uint64_t n);
/** The answers to the `n` ids from `first` on have come. */
HZ_MUST_USE hz_err hz_encode_done(struct hz_buf *b, uint64_t first, uint64_t n);
HZ_MUST_USE hz_err hz_encode_ping(struct hz_buf *b, enum hz_kind ping_or_pong,
                                  const uint8_t opaque[8]);
HZ_MUST_USE hz_err hz_encode_goaway(struct hz_buf *b, uint64_t last_id, uint64_t grace_ms,
                                    struct hz_str alternative);
HZ_MUST_USE hz_err hz_encode_error(struct hz_buf *b, bool has_id, uint64_t id, uint64_t code,
                                   struct hz_str message);
/** HELLO and WELCOME: zero and empty members are left out. Room: hz_hello_size(). */
size_t hz_hello_size(const struct hz_hello *h);
HZ_MUST_USE hz_err hz_encode_hello(struct hz_buf *b, enum hz_kind hello_or_welcome,
                                   const struct hz_hello *h);
/** Pub/sub kinds. UNSUB and ACK: HZ_SMALL_SIZE. */
size_t hz_sub_size(struct hz_str pattern, const struct hz_sub_options *o);
HZ_MUST_USE hz_err hz_encode_sub(struct hz_buf *b, uint64_t id, struct hz_str pattern,
                                 const struct hz_sub_options *o);
HZ_MUST_USE hz_err hz_encode_unsub(struct hz_buf *b, uint64_t id);
size_t hz_pub_size(struct hz_str topic, const struct hz_header *headers, size_t header_count,
                   const struct hz_body *body); /* PUB and EVENT */
HZ_MUST_USE hz_err hz_encode_pub(struct hz_buf *b, bool has_id, uint64_t id, struct hz_str topic,
                                 const struct hz_header *headers, size_t header_count,
                                 const struct hz_body *body);
HZ_MUST_USE hz_err hz_encode_ack(struct hz_buf *b, uint64_t id, uint64_t epoch, uint64_t offset);
HZ_MUST_USE hz_err hz_encode_event(struct hz_buf *b, uint64_t sub_id, struct hz_str topic,
                                   uint64_t epoch, uint64_t offset, const struct hz_header *headers,
                                   size_t header_count, const struct hz_body *body);
/** GAP: HZ_SMALL_SIZE and the topic's length. An empty topic is nil: of several. */
HZ_MUST_USE hz_err hz_encode_gap(struct hz_buf *b, uint64_t sub_id, struct hz_str topic,
                                 uint64_t epoch, uint64_t offset, uint64_t missed);
/** Iterates over positions, as hz_headers_next() does over headers. */
bool hz_offsets_next(const struct hz_offsets_view *v, size_t *pos, struct hz_str *topic,
                     uint64_t *epoch, uint64_t *offset);

/** Writes one; at most hz_position_bound() bytes. Returns where it ended. */
size_t hz_position_bound(struct hz_str topic);
uint8_t *hz_put_position(uint8_t *to, struct hz_str topic, uint64_t epoch, uint64_t offset);

/** An EVENT in parts, for one that goes to many: the head, which has the subscription's id, and what is
 * the same for all. These write where there is room enough and return where they ended. */
#define HZ_EVENT_HEAD_MAX 11u
uint8_t *hz_put_event_head(uint8_t *to, uint64_t sub_id);
/** Topic, epoch and offset, ending right before `content`: there are hz_event_prefix_size() bytes of room.
 * Returns where it begins; `*text` is the topic's copy. */
size_t hz_event_prefix_size(struct hz_str topic);
uint8_t *hz_put_event_prefix(uint8_t *content, struct hz_str topic, uint64_t epoch, uint64_t offset,
                             const char **text);
/** Headers and body: at most hz_event_content_size() bytes. */
size_t hz_event_content_size(const struct hz_header *headers, size_t header_count,
                             const struct hz_body *body);
uint8_t *hz_put_event_content(uint8_t *to, const struct hz_header *headers, size_t header_count,
                              const struct hz_body *body);

#endif
