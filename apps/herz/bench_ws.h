/* WebSocket (RFC 6455) as far as raw mode needs it, which sends whole binary messages and reads those. Not here: what is
 * in them (bench_peer.c, bench_fan_peer.c). */
#ifndef APPS_HERZ_BENCH_WS_H
#define APPS_HERZ_BENCH_WS_H

#include "apps/herz/bench_peer.h"

#define RAW_WS_HEAD_MAX 14u

/** The upgrade at the target's path, with `protocol` offered (NULL: none). False: as raw_read(), or it was refused. */
bool raw_open_websocket(const struct raw_target *t, int fd, const char *protocol);
/** Writes the head of a whole binary message of `len` bytes; its length. `key`: 4 bytes to mask with; NULL: unmasked. */
size_t raw_put_message_head(uint8_t *head, uint64_t len, const uint8_t *key);
/** How long a head is that begins with these two bytes. */
size_t raw_message_head_len(const uint8_t *head);
/** What a whole head says of the length behind it. */
uint64_t raw_message_len(const uint8_t *head);

#endif
