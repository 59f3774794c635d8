/* CRC-32C (Castagnoli), the checksum of frames that travel without TLS. The processor's instruction
 * where there is one. Not here: when a frame carries a checksum (frame.h). */
#ifndef CODEC_CRC32C_H
#define CODEC_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The CRC-32C of `len` bytes behind those that gave `crc`; start with 0. Pieces can be chained:
 * hz_crc32c(hz_crc32c(0, a, n), b, m) is the checksum of a and b together. Any thread. */
uint32_t hz_crc32c(uint32_t crc, const void *data, size_t len);

/** The same without special instructions (slicing by 8); public so that tests can compare. */
uint32_t hz_crc32c_portable(uint32_t crc, const void *data, size_t len);

/** True when hz_crc32c() uses the processor's instruction. */
bool hz_crc32c_accelerated(void);

#endif
