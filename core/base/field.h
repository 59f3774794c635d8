/* The few things that every layer, codec and adapter alike, calls by the same name: a header pair, a
 * body, why a call ends early. */
#ifndef CORE_BASE_FIELD_H
#define CORE_BASE_FIELD_H

#include "core/base/str.h"

/** A header pair. Names are compared without case; both are UTF-8. */
struct hz_header {
  struct hz_str name, value;
};

/** What a body is. Bytes and text are the content itself; a value is any other msgpack value, kept
 * as its encoding. HZ_BODY_FOLLOWS: the content comes in pieces later; data.n is its length when that is
 * known, else 0. */
enum hz_body_kind { HZ_BODY_NONE, HZ_BODY_BYTES, HZ_BODY_TEXT, HZ_BODY_VALUE, HZ_BODY_FOLLOWS };

struct hz_body {
  enum hz_body_kind kind;
  struct hz_str data;
};

/** Why a call ends early: the code of CANCEL frames and of stream resets, the same on the wire and
 * inside. */
enum hz_cancel_code {
  HZ_CANCEL_UNWANTED = 0,
  HZ_CANCEL_DEADLINE = 1,
  HZ_CANCEL_GONE = 2, /* the connection closed */
  HZ_CANCEL_INTERNAL = 3,
  HZ_CANCEL_REFUSED = 4, /* nothing was done: it may be tried again */
  HZ_CANCEL_PROTOCOL = 5
};

#endif
