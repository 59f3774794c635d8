/* CRC-32C: SSE4.2 or ARMv8 CRC instructions when the processor running this has them, tables
 * (slicing by 8) otherwise. Not here: where checksums stand in a frame (frame.c). */
#include "codec/crc32c.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define POLYNOMIAL 0x82F63B78u /* reversed */

static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_init(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ ((c & 1) ? POLYNOMIAL : 0);
    table[0][i] = c;
  }
  for (uint32_t i = 0; i < 256; i++)
    for (int k = 1; k < 8; k++)
      table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xff];
}

uint32_t hz_crc32c_portable(uint32_t crc, const void *data, size_t len) {
  (void)pthread_once(&table_once, table_init);
  const uint8_t *p = data;
  uint32_t c = ~crc;
  for (; len >= 8; p += 8, len -= 8) {
    /* Byte by byte, so that neither alignment nor byte order matters; compilers see the load. */
    uint32_t lo =
        c ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
    c = table[7][lo & 0xff] ^ table[6][(lo >> 8) & 0xff] ^ table[5][(lo >> 16) & 0xff] ^
        table[4][lo >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
  }
  for (; len > 0; p++, len--) c = (c >> 8) ^ table[0][(c ^ *p) & 0xff];
  return ~c;
}

#if defined(__x86_64__)

bool hz_crc32c_accelerated(void) {
  return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) static uint32_t crc_hw(uint32_t crc, const uint8_t *p,
                                                         size_t len) {
  uint64_t c = ~crc;
  for (; len >= 8; p += 8, len -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    c = _mm_crc32_u64(c, word);
  }
  uint32_t tail = (uint32_t)c;
  for (; len > 0; p++, len--) tail = _mm_crc32_u8(tail, *p);
  return ~tail;
}

#elif defined(__aarch64__) && defined(__linux__)

bool hz_crc32c_accelerated(void) {
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}

/* Assembly and not the intrinsics: those want the extension switched on for the whole file, which
 * would let the compiler use it before anybody has asked the processor. */
static uint32_t crc_hw(uint32_t crc, const uint8_t *p, size_t len) {
  uint32_t c = ~crc;
  for (; len >= 8; p += 8, len -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
#if defined(__AARCH64EB__)
    word = __builtin_bswap64(word);
#endif
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(c) : "r"(word));
  }
  for (; len > 0; p++, len--)
    __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(c) : "r"((uint32_t)*p));
  return ~c;
}

#else

bool hz_crc32c_accelerated(void) {
  return false;
}

static uint32_t crc_hw(uint32_t crc, const uint8_t *p, size_t len) {
  return hz_crc32c_portable(crc, p, len);
}

#endif

uint32_t hz_crc32c(uint32_t crc, const void *data, size_t len) {
  /* Asked every time: on x86-64 it is one load and a test, and there is no state to guard. */
  if (hz_crc32c_accelerated()) return crc_hw(crc, data, len);
  return hz_crc32c_portable(crc, data, len);
}
