/* The generations of WebTransport over HTTP/3, which say the same things by other names: which of them SETTINGS
 * offer, and which a peer speaks. Values in, values out. Not here: sessions. */
#ifndef TRANSPORTS_WEBTRANSPORT_DRAFT_H
#define TRANSPORTS_WEBTRANSPORT_DRAFT_H

#include "core/base/str.h"
#include "transports/h3/settings.h"

/** By the first draft that has it; bits, as hz_transport_config.wt_drafts has them. */
enum hz_wt_draft {
  HZ_WT_DRAFT_02 = 1, /* 0x2b603742; 02 to 06: Chromium, Firefox */
  HZ_WT_DRAFT_07 = 2, /* 0xc671706a; 07 to 12 */
  HZ_WT_DRAFT_13 = 4, /* 0x14e9cd29, flow control of sessions; 13, 14 */
  HZ_WT_DRAFT_15 = 8, /* 0x2c7cf000, "webtransport-h3"; 15, 16 */
  HZ_WT_DRAFTS = 15
};

/** What one side's SETTINGS say. Zeroed to begin with. */
struct hz_wt_settings {
  uint32_t drafts;
  uint64_t max_data, max_streams[2]; /* by enum hz_dir; 0: not said */
};

/** Takes one entry; true when it is of interest. */
bool hz_wt_settings_take(struct hz_wt_settings *s, const struct hz_h3_setting *one);

/** The entries that offer `drafts` with so many sessions; returns how many, at most HZ_WT_SETTINGS_MAX. */
#define HZ_WT_SETTINGS_MAX 10u
size_t hz_wt_settings_make(uint32_t drafts, uint32_t sessions, struct hz_h3_setting *out);

/** Whether sessions have flow control of their own: from 13 on, when both sides have told a limit (ours always
 * do). */
bool hz_wt_settings_flow(const struct hz_wt_settings *peer, uint32_t offered);

#endif
