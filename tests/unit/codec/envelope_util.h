/* What several tests of envelopes share: an envelope as the text of tests/golden/README.md, and
 * encoding it again from its fields. Not here: tests. */
#ifndef TESTS_UNIT_CODEC_ENVELOPE_UTIL_H
#define TESTS_UNIT_CODEC_ENVELOPE_UTIL_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/crc32c.h"
#include "codec/envelope.h"

struct text {
  char p[16384];
  size_t n;
};

static inline HZ_PRINTF(2, 3) void say(struct text *t, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(t->p + t->n, sizeof(t->p) - t->n, fmt, args);
  va_end(args);
  if (n < 0 || (size_t)n >= sizeof(t->p) - t->n) abort(); /* a test's text is short */
  t->n += (size_t)n;
}

static inline void say_quoted(struct text *t, struct hz_str s) {
  say(t, "\"");
  for (size_t i = 0; i < s.n; i++) {
    uint8_t c = (uint8_t)s.p[i];
    if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
      say(t, "\\x%02x", c);
    else
      say(t, "%c", c);
  }
  say(t, "\"");
}

static inline void say_text(struct text *t, const char *name, struct hz_str s) {
  if (s.n == 0) return;
  say(t, " %s=", name);
  say_quoted(t, s);
}

static inline void say_number(struct text *t, const char *name, uint64_t v) {
  if (v != 0) say(t, " %s=%" PRIu64, name, v);
}

static inline void say_bytes(struct text *t, const void *data, size_t n) {
  const uint8_t *p = data;
  if (n > 64) {
    say(t, "(%zu) crc32c=%08" PRIx32, n, hz_crc32c(0, p, n));
    return;
  }
  for (size_t i = 0; i < n; i++) say(t, "%02x", p[i]);
}

static inline void say_body(struct text *t, const struct hz_body *b) {
  static const char *const names[] = {"none", "bytes", "text", "value", "follows"};
  say(t, " body=%s", names[b->kind]);
  if (b->data.n > 0) say(t, " ");
  say_bytes(t, b->data.p, b->data.n);
}

static inline void say_headers(struct text *t, const struct hz_headers_view *h) {
  size_t pos = 0;
  struct hz_str name, value;
  if (h->count > 16) {
    say(t, " headers=%" PRIu32, h->count);
    return;
  }
  say(t, " headers={");
  for (const char *comma = ""; hz_headers_next(h, &pos, &name, &value); comma = ", ") {
    say(t, "%s", comma);
    say_quoted(t, name);
    say(t, ": ");
    say_quoted(t, value);
  }
  say(t, "}");
}

static inline void say_hello(struct text *t, const struct hz_hello *h) {
  say_number(t, "v", h->v);
  say_text(t, "agent", h->agent);
  say_text(t, "auth", h->auth);
  say_text(t, "resume", h->resume);
  if (h->offsets.n > 0) say(t, " offsets=");
  say_bytes(t, h->offsets.p, h->offsets.n);
  say_text(t, "session", h->session);
  say_text(t, "token", h->token);
  say_number(t, "epoch", h->epoch);
  if (h->resumed) say(t, " resumed=true");
  say_number(t, "ping_ms", h->ping_ms);
  say_number(t, "credit", h->credit);
  say_number(t, "calls", h->calls);
  say_number(t, "max_frame", h->max_frame);
}

/* The text of an envelope that was parsed without an error. */
static inline void say_envelope(struct text *t, const struct hz_envelope *e) {
  static const char *const names[] = {
      "HELLO", "WELCOME", "REQ",   "RES",  "DATA", "END",    "CANCEL", "CREDIT", "SUB", "UNSUB",
      "PUB",   "ACK",     "EVENT", "PING", "PONG", "GOAWAY", "ERROR",  "GAP",    "DONE"};
  say(t, "%s", names[e->kind]);
  if (e->has_id) say(t, " id=%" PRIu64, e->id);
  switch (e->kind) {
    case HZ_HELLO:
    case HZ_WELCOME: say_hello(t, &e->hello); break;
    case HZ_REQ:
      say(t, " method=");
      say_quoted(t, e->method);
      say(t, " path=");
      say_quoted(t, e->path);
      break;
    case HZ_RES: say(t, " status=%" PRIu32, e->status); break;
    case HZ_DATA: say_body(t, &e->body); break;
    case HZ_END: say_headers(t, &e->headers); break;
    case HZ_CANCEL: say(t, " code=%" PRIu64, e->code); break;
    case HZ_CREDIT:
    case HZ_DONE: say(t, " credit=%" PRIu64, e->credit); break;
    case HZ_ACK: say(t, " epoch=%" PRIu64 " offset=%" PRIu64, e->epoch, e->offset); break;
    case HZ_UNSUB: break;
    case HZ_PING:
    case HZ_PONG:
      say(t, " opaque=");
      say_bytes(t, e->opaque, 8);
      break;
    case HZ_GOAWAY:
      say(t, " last_id=%" PRIu64 " grace_ms=%" PRIu64, e->last_id, e->grace_ms);
      break;
    case HZ_ERROR: say(t, " code=%" PRIu64, e->code); break;
    case HZ_SUB:
    case HZ_PUB:
    case HZ_GAP:
    case HZ_EVENT: break;
  }
  if (e->kind == HZ_GOAWAY || e->kind == HZ_ERROR || e->kind == HZ_SUB || e->kind == HZ_PUB ||
      e->kind == HZ_EVENT || e->kind == HZ_GAP) {
    say(t, " text=");
    say_quoted(t, e->text);
  }
  if (e->kind == HZ_SUB) {
    say_text(t, "class", e->sub.delivery);
    if (e->sub.has_from) say(t, " from=%" PRIu64, e->sub.from);
    say_number(t, "epoch", e->sub.epoch);
    say_text(t, "as", e->sub.as);
    say_text(t, "slow", e->sub.slow);
    if (e->sub.has_since) say(t, " since=%" PRIu64, e->sub.since);
    say_number(t, "ago_ms", e->sub.ago_ms);
    if (e->sub.has_credit) say(t, " credit=%" PRIu64, e->sub.credit);
    say_number(t, "deadline_ms", e->sub.deadline_ms);
    struct hz_str topic;
    uint64_t epoch, offset;
    for (size_t pos = 0; hz_offsets_next(&e->sub.offsets, &pos, &topic, &epoch, &offset);) {
      say(t, " at ");
      say_quoted(t, topic);
      say(t, "=%" PRIu64 ":%" PRIu64, epoch, offset);
    }
  }
  if (e->kind == HZ_GAP) {
    say(t, " epoch=%" PRIu64 " offset=%" PRIu64 " missed=%" PRIu64, e->epoch, e->offset, e->missed);
  }
  if (e->kind == HZ_EVENT) say(t, " epoch=%" PRIu64 " offset=%" PRIu64, e->epoch, e->offset);
  if (e->kind == HZ_REQ || e->kind == HZ_RES || e->kind == HZ_PUB || e->kind == HZ_EVENT) {
    say_headers(t, &e->headers);
    say_body(t, &e->body);
  }
}

/* Encodes what was parsed. */
static inline hz_err encode_again(struct hz_buf *b, const struct hz_envelope *e) {
  struct hz_header h[HZ_HEADERS_MAX];
  size_t n = 0, pos = 0;
  while (n < HZ_HEADERS_MAX && hz_headers_next(&e->headers, &pos, &h[n].name, &h[n].value)) n++;
  switch (e->kind) {
    case HZ_HELLO:
    case HZ_WELCOME: return hz_encode_hello(b, e->kind, &e->hello);
    case HZ_REQ: return hz_encode_req(b, e->id, e->method, e->path, h, n, &e->body);
    case HZ_RES: return hz_encode_res(b, e->id, e->status, h, n, &e->body);
    case HZ_DATA: return hz_encode_data(b, e->id, e->body.data.p, e->body.data.n);
    case HZ_END: return hz_encode_end(b, e->id, h, n);
    case HZ_CANCEL: return hz_encode_cancel(b, e->id, e->code);
    case HZ_CREDIT: return hz_encode_credit(b, e->id, e->credit);
    case HZ_DONE: return hz_encode_done(b, e->id, e->credit);
    case HZ_SUB: return hz_encode_sub(b, e->id, e->text, &e->sub);
    case HZ_UNSUB: return hz_encode_unsub(b, e->id);
    case HZ_PUB: return hz_encode_pub(b, e->has_id, e->id, e->text, h, n, &e->body);
    case HZ_ACK: return hz_encode_ack(b, e->id, e->epoch, e->offset);
    case HZ_EVENT: return hz_encode_event(b, e->id, e->text, e->epoch, e->offset, h, n, &e->body);
    case HZ_PING:
    case HZ_PONG: return hz_encode_ping(b, e->kind, e->opaque);
    case HZ_GOAWAY: return hz_encode_goaway(b, e->last_id, e->grace_ms, e->text);
    case HZ_ERROR: return hz_encode_error(b, e->has_id, e->id, e->code, e->text);
    case HZ_GAP: return hz_encode_gap(b, e->id, e->text, e->epoch, e->offset, e->missed);
  }
  return HZ_EINVAL;
}

#endif
