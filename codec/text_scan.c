/* The slow side of text_scan.h: text that is not plain ASCII, and text that will be refused. */
#include "codec/text_scan.h"

#include "core/base/utf8.h"

bool hz_text_ok_slow(const uint8_t *p, size_t n, enum hz_text_rule rule) {
  if (rule == HZ_TEXT_NAME) {
    for (size_t i = 0; i < n; i++)
      if (p[i] <= 0x20 || p[i] >= 0x7f || p[i] == ':') return false;
    return n > 0;
  }
  if (rule == HZ_TEXT_VALUE) {
    for (size_t i = 0; i < n; i++)
      if ((p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f) return false;
  }
  return hz_utf8_valid(p, n);
}
