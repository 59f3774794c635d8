/* Settings of the drafts. */
#include "transports/webtransport/draft.h"

#include "transports/webtransport/capsule.h"

enum {
  ENABLE_02 = 0x2b603742,
  DATAGRAM_02 = 0xffd277, /* H3_DATAGRAM of draft-ietf-masque-h3-datagram-04, which 02 refers to */
  MAX_DATA = 0x2b61,
  MAX_STREAMS_UNI = 0x2b64,
  MAX_STREAMS_BIDI = 0x2b65,
  MAX_SESSIONS_13 = 0x14e9cd29,
  ENABLE_15 = 0x2c7cf000
};
#define MAX_SESSIONS_07 UINT64_C(0xc671706a)

/* Ours: what a session takes is bounded by QUIC's windows and streams, which are the connection's. */
#define UNBOUNDED HZ_VARINT_MAX

bool hz_wt_settings_take(struct hz_wt_settings *s, const struct hz_h3_setting *one) {
  switch (one->id) {
    case ENABLE_02: s->drafts |= one->value == 1 ? HZ_WT_DRAFT_02 : 0; return true;
    case MAX_SESSIONS_07: s->drafts |= one->value > 0 ? HZ_WT_DRAFT_07 : 0; return true;
    case MAX_SESSIONS_13: s->drafts |= one->value > 0 ? HZ_WT_DRAFT_13 : 0; return true;
    case ENABLE_15: s->drafts |= one->value > 0 ? HZ_WT_DRAFT_15 : 0; return true;
    case MAX_DATA: s->max_data = one->value; return true;
    case MAX_STREAMS_UNI: s->max_streams[1] = one->value; return true;
    case MAX_STREAMS_BIDI: s->max_streams[0] = one->value; return true;
    default: return false;
  }
}

size_t hz_wt_settings_make(uint32_t drafts, uint32_t sessions, struct hz_h3_setting *out) {
  size_t n = 0;
  if (drafts & HZ_WT_DRAFT_02) {
    out[n++] = (struct hz_h3_setting){ENABLE_02, 1};
    out[n++] = (struct hz_h3_setting){DATAGRAM_02, 1};
  }
  if (drafts & HZ_WT_DRAFT_07) out[n++] = (struct hz_h3_setting){MAX_SESSIONS_07, sessions};
  if (drafts & HZ_WT_DRAFT_13) out[n++] = (struct hz_h3_setting){MAX_SESSIONS_13, sessions};
  if (drafts & HZ_WT_DRAFT_15) out[n++] = (struct hz_h3_setting){ENABLE_15, 1};
  if (drafts & (HZ_WT_DRAFT_13 | HZ_WT_DRAFT_15)) {
    out[n++] = (struct hz_h3_setting){MAX_DATA, UNBOUNDED};
    out[n++] = (struct hz_h3_setting){MAX_STREAMS_UNI, HZ_WT_STREAMS_MAX};
    out[n++] = (struct hz_h3_setting){MAX_STREAMS_BIDI, HZ_WT_STREAMS_MAX};
  }
  return n;
}

bool hz_wt_settings_flow(const struct hz_wt_settings *peer, uint32_t offered) {
  const uint32_t with = HZ_WT_DRAFT_13 | HZ_WT_DRAFT_15;
  if ((peer->drafts & offered & with) == 0) return false;
  return peer->max_data > 0 || peer->max_streams[0] > 0 || peer->max_streams[1] > 0;
}
