/* The exclusive-or that every client frame is masked with (RFC 6455 section 5.3). Not here: where
 * the keys come from (adapter.c asks the env) and where they stand in a frame (frame.c). */
#ifndef TRANSPORTS_WEBSOCKET_MASK_H
#define TRANSPORTS_WEBSOCKET_MASK_H

#include <stddef.h>
#include <stdint.h>

/** Writes `len` bytes of `src`, masked or unmasked, to `dst`. `key` is the frame's four bytes in
 * wire order; `offset` is how many bytes of the frame's payload came before `src`. `dst` is `src`
 * (in place), or lies before it, or does not touch it. */
void hz_ws_mask(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t key[4],
                uint64_t offset);

#endif
