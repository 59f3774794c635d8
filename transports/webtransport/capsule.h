/* WebTransport's capsules: the end of a session with code and reason, the wish that it ends, and the flow
 * control of sessions that drafts have from 07 on. Values in, values out. Not here: how capsules are
 * cut out of the stream (transports/h3/capsule.h), and what a session does about them. */
#ifndef TRANSPORTS_WEBTRANSPORT_CAPSULE_H
#define TRANSPORTS_WEBTRANSPORT_CAPSULE_H

#include "core/base/str.h"
#include "transports/h3/capsule.h"

enum hz_wt_capsule_type {
  HZ_WT_CLOSE = 0x2843,
  HZ_WT_DRAIN = 0x78ae,
  HZ_WT_MAX_DATA = 0x190b4d3d,
  HZ_WT_MAX_STREAM_DATA = 0x190b4d3e, /* of HTTP/2 alone: an error here */
  HZ_WT_MAX_STREAMS_BIDI = 0x190b4d3f,
  HZ_WT_MAX_STREAMS_UNI = 0x190b4d40,
  HZ_WT_DATA_BLOCKED = 0x190b4d41,
  HZ_WT_STREAM_DATA_BLOCKED = 0x190b4d42, /* likewise */
  HZ_WT_STREAMS_BLOCKED_BIDI = 0x190b4d43,
  HZ_WT_STREAMS_BLOCKED_UNI = 0x190b4d44
};

#define HZ_WT_REASON_MAX 1024u
/** A count of streams above this is malformed. */
#define HZ_WT_STREAMS_MAX (UINT64_C(1) << 60)

/** For hz_capsule_reader_init(): all of the above. A close that is too long is HZ_ETOOBIG there. */
#define HZ_WT_CAPSULE_KINDS 10u
extern const struct hz_capsule_kind hz_wt_capsule_kinds[HZ_WT_CAPSULE_KINDS];

struct hz_wt_capsule {
  enum hz_wt_capsule_type type;
  uint32_t code;        /* CLOSE */
  struct hz_str reason; /* CLOSE: UTF-8; points into the capsule */
  uint64_t value;       /* of the flow control's: the number in it */
};

/** What one of hz_wt_capsule_kinds says. HZ_EPROTO: it is malformed, or of HTTP/2 alone; `*why` (static) says how. */
HZ_MUST_USE hz_err hz_wt_capsule_read(const struct hz_capsule *c, struct hz_wt_capsule *out,
                                      const char **why);

/** A whole CLOSE; `reason` is cut between characters at HZ_WT_REASON_MAX. Returns its length. */
#define HZ_WT_CLOSE_BYTES (HZ_CAPSULE_HEAD_MAX + 4u + HZ_WT_REASON_MAX)
size_t hz_wt_close_write(uint8_t out[HZ_WT_CLOSE_BYTES], uint32_t code, struct hz_str reason);

/** A whole DRAIN. */
#define HZ_WT_DRAIN_BYTES 5u
size_t hz_wt_drain_write(uint8_t out[HZ_WT_DRAIN_BYTES]);

/** A whole one of the flow control's. */
#define HZ_WT_VALUE_BYTES (HZ_CAPSULE_HEAD_MAX + HZ_VARINT_BYTES)
size_t hz_wt_value_write(uint8_t out[HZ_WT_VALUE_BYTES], enum hz_wt_capsule_type type,
                         uint64_t value);

#endif
