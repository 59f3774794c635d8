/* The context of a call, as the files of core/dispatch see it. */
#ifndef CORE_DISPATCH_CALL_H
#define CORE_DISPATCH_CALL_H

#include "core/dispatch/dispatch.h"
#include "core/transport/transport.h"

#define HZ_SLOTS_MAX 16u
#define HZ_OUT_HEADERS_MAX 32u
#define HZ_TRAILERS_MAX 16u
#define HZ_CTX_FIRST_BYTES 1776u
/** A body up to this length leaves with its head. */
#define HZ_WHOLE_BODY_BYTES 16384u

enum hz_call_state {
  HZ_CALL_COLLECTING, /* the head is here, content is coming */
  HZ_CALL_RUNNING,    /* in the chain, or between pieces of a streaming route's content */
  HZ_CALL_DEFERRED,   /* the handler has returned and promised an answer */
  HZ_CALL_SENDING,    /* answered; content is leaving */
  HZ_CALL_ENDED
};

/** Called when the call ends. */
struct hz_on_end {
  struct hz_on_end *next;
  void (*fn)(void *arg);
  void *arg;
};

/** Content of an answer that does not leave at once. */
struct hz_reply_source {
  herz_source *read;
  void *arg;
  const uint8_t *mem;  /* without read and fd */
  struct hz_buf *hold; /* what `mem` points into, when it is ours */
  int fd;              /* -1: none */
  uint64_t offset, left;
};

/** Fields behind content, which few calls have: in the arena. */
struct hz_trailers {
  uint32_t in_count, out_count;
  const struct herz_header *in; /* the request's, once its content is whole */
  struct hz_header out[HZ_TRAILERS_MAX];
};

struct herz_ctx {
  struct hz_dispatch *d;
  struct hz_exchange *x; /* NULL once released */
  enum hz_call_state state;
  int status;      /* of the answer; 0: none yet */
  bool in_chain;   /* a function of the chain, or a callback of it, is on the stack */
  bool cancelled;  /* nobody waits for the answer any more */
  bool log_line;   /* herz_logger() is in the chain */
  bool value_lost; /* memory was short for a value: a NULL is not "no body" */
  bool early, body_done, body_paused;
  bool head_only; /* HEAD: the answer's content stays here */
  uint8_t slot;   /* of the transport's counters */
  char trace_id[33];
  uint32_t step; /* of the chain */
  uint32_t path_len;
  struct hz_arena arena;
  hz_time started, due;           /* the deadline; HZ_TIME_NEVER: none, or it has passed */
  struct hz_wheel_timer deadline; /* armed for it once the call has to wait */

  /* the request, copied into the arena or `shared`'s, NUL-terminated */
  struct hz_head *shared; /* NULL: the arena's */
  const char *method, *path, *query;
  const struct herz_header *headers;
  uint32_t header_count;
  enum hz_body_kind body_kind;
  struct hz_str body; /* whole: in the carrier's bytes, in `collected`, or in the arena */
  struct hz_buf *collected;
  const herz_value *body_value;
  size_t body_held; /* bytes that a streaming handler refused so far */

  /* the chain */
  const struct hz_route *route;
  sigjmp_buf *guard; /* where herz_panic() unwinds to */
  const char *why;   /* of a panic, or of an answer that tells of a failure; NULL: not known */
  struct hz_on_end *on_end;
  herz_deferred *deferred;
  bool (*on_body)(herz_ctx *, const void *, size_t, bool, void *);
  void *on_body_arg;

  /* the answer */
  struct hz_reply_source source;
  struct hz_trailers *trailers; /* of request and answer; NULL: none so far */
  uint64_t bytes_in, bytes_out; /* content */
  int unrouted;                 /* 204, 400, 404, 405 or 503 when no route matched; else 0 */
  uint32_t out_count, slot_count;

  /* From its arrays on nothing is zeroed when a call begins: their counts are above. */
  struct hz_match match;
  struct hz_header out_headers[HZ_OUT_HEADERS_MAX];
  struct {
    const char *key;
    void *value;
  } slots[HZ_SLOTS_MAX];
  /* The arena begins here: most calls need no more. */
  alignas(max_align_t) uint8_t first[HZ_CTX_FIRST_BYTES];
};
_Static_assert(sizeof(struct herz_ctx) <= 4096 - 16, "a page, with the allocator's own");

/** What of a fresh context is zero: all that a call looks at, without the arrays at the end. */
#define HZ_CTX_ZEROED (offsetof(struct herz_ctx, match) + offsetof(struct hz_match, params))
_Static_assert(HZ_CTX_ZEROED <= 512, "zeroed for every call: what grows belongs behind it");

/* call.c */
/** Ends the call if it can end now; `c` may be gone after. Every entry from outside comes here last. */
void hz_call_settle(herz_ctx *c);
/** Runs `fn` guarded: a panic inside answers 500, or breaks off an answer that is under way. */
void hz_call_guarded(herz_ctx *c, void (*fn)(herz_ctx *c, void *arg), void *arg);

/* failure.c */
/** Counts an answer of 400 or above, and keeps it where it tells of a failure. */
void hz_call_failed(const herz_ctx *c);

/* head.c */
HZ_MUST_USE hz_err hz_call_copy_head(herz_ctx *c, const struct hz_request *rq);
/** Copies of fields, NUL-terminated, in the arena. NULL when memory is short. */
struct herz_header *hz_fields_keep(struct hz_arena *a, const struct hz_header *fields,
                                   uint32_t count);
/** The value of the first of that name, NULL: none. */
const char *hz_fields_find(const struct herz_header *fields, uint32_t count, const char *name);
/** What content that comes in pieces is, by its content-type. */
enum hz_body_kind hz_body_kind_of_type(const char *content_type);

/* prepared.c */
/** Head and route out of what many requests have in common. False: not possible, to be done anew. */
HZ_MUST_USE bool hz_call_take_shared(herz_ctx *c, struct hz_head *head);

/* reply.c */
/** May a frame carry it? What may not would end the connection of whoever reads it. */
bool hz_header_ok(const char *name, const char *value);
/** `kind`, or HZ_BODY_BYTES when `data` is no text or no msgpack. */
enum hz_body_kind hz_honest_kind(enum hz_body_kind kind, struct hz_str data);
/** Sends the head with `body`; one longer than HZ_WHOLE_BODY_BYTES is streamed from where it is
 * (`hold`: taken over; it keeps the bytes). */
int hz_reply_body(herz_ctx *c, int status, const char *type, const struct hz_body *body,
                  struct hz_buf *hold);
/** Writes content while there is room. */
void hz_reply_pump(herz_ctx *c);
void hz_reply_drop_source(herz_ctx *c);

/* value.c */
/** Adds the pairs of `from`, a map or NULL, but those whose key is `except`. HZ_ENOMEM: `map` is of no
 * more use. */
HZ_MUST_USE hz_err hz_map_join(herz_ctx *c, herz_value *map, const herz_value *from,
                               const char *except);
/** The most that a value's encoding can take. HZ_EDEPTH: deeper than any reader takes; HZ_ETOOBIG. */
HZ_MUST_USE hz_err hz_value_size(const herz_value *v, size_t *size);
/** Writes the encoding to `to`: `*len` bytes. HZ_ELIMIT: `room` does not do, which it does where it is
 * what hz_value_size() said; HZ_EDEPTH as there. */
HZ_MUST_USE hz_err hz_value_encode(const herz_value *v, uint8_t *to, size_t room, size_t *len);
/** A value out of checked msgpack; NULL: malformed, or the arena is used up. */
const herz_value *hz_value_decode(struct hz_arena *a, struct hz_str encoded);

/* defer.c */
/** On a thread of the pool: does a promise's work, unless nobody waits for it, and keeps it. */
void hz_deferred_work(herz_deferred *d);
/** Its work will not be done: 503. */
void hz_deferred_abandon(herz_deferred *d);
/** Breaks the call's promise, if there is one. False: it was kept already, the answer is on its way. */
bool hz_deferred_break(herz_ctx *c);
/** The promise will find no call. */
void hz_deferred_orphan(herz_ctx *c);

#endif
