/* Codes with which an application resets streams of a WebTransport session, and how they travel in HTTP/3's
 * RESET_STREAM and STOP_SENDING (draft-ietf-webtrans-http3, "Resetting Data Streams"): 2^32 of them in a range of
 * HTTP/3's, where every 31st number is reserved (RFC 9114 8.1). Not here: HTTP/3's own codes. */
#ifndef TRANSPORTS_WEBTRANSPORT_CODE_H
#define TRANSPORTS_WEBTRANSPORT_CODE_H

#include <stdbool.h>
#include <stdint.h>

#define HZ_WT_CODE_FIRST UINT64_C(0x52e4a40fa8db)
#define HZ_WT_CODE_LAST UINT64_C(0x52e5ac983162)

/** What the wire carries for an application's code. */
static inline uint64_t hz_wt_code_to_wire(uint32_t code) {
  return HZ_WT_CODE_FIRST + code + code / 0x1e;
}

/** The application's code; false: this is none (outside of the range, or reserved). */
static inline bool hz_wt_code_of_wire(uint64_t wire, uint32_t *code) {
  if (wire < HZ_WT_CODE_FIRST || wire > HZ_WT_CODE_LAST) return false;
  if ((wire - 0x21) % 0x1f == 0) return false;
  uint64_t shifted = wire - HZ_WT_CODE_FIRST;
  *code = (uint32_t)(shifted - shifted / 0x1f);
  return true;
}

#endif
