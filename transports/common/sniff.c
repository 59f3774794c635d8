/* The takers and the choice between them. Not here: what they do with an io. */
#include "transports/common/sniff.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct hz_taker *takers[HZ_TAKERS_MAX];
static size_t taker_count;

void hz_sniff_register(const struct hz_taker *t) {
  assert(t->name != NULL && t->wants != NULL && t->take != NULL);
  for (size_t i = 0; i < taker_count; i++) {
    if (takers[i] == t) return;
    assert(strcmp(takers[i]->name, t->name) != 0);
  }
  assert(taker_count < HZ_TAKERS_MAX);
  takers[taker_count++] = t;
}

const struct hz_taker *hz_sniff_find(const uint8_t *first, size_t len, enum hz_sniff *verdict) {
  *verdict = HZ_SNIFF_NO;
  for (size_t i = 0; i < taker_count; i++) {
    enum hz_sniff v = takers[i]->wants(first, len);
    if (v == HZ_SNIFF_YES) {
      *verdict = v;
      return takers[i];
    }
    if (v == HZ_SNIFF_MORE && len < HZ_SNIFF_BYTES) *verdict = v;
  }
  return NULL;
}

const struct hz_taker *hz_sniff_alpn(const char *alpn) {
  if (alpn[0] == '\0') return NULL;
  for (size_t i = 0; i < taker_count; i++) {
    if (takers[i]->alpn != NULL && strcmp(takers[i]->alpn, alpn) == 0) return takers[i];
  }
  return NULL;
}

void hz_sniff_alpn_list(char *out, size_t len) {
  size_t used = 0;

  out[0] = '\0';
  for (size_t i = 0; i < taker_count; i++) {
    if (takers[i]->alpn == NULL) continue;
    int n = snprintf(out + used, len - used, "%s%s", used > 0 ? "," : "", takers[i]->alpn);
    assert(n > 0 && (size_t)n < len - used);
    used += (size_t)n;
  }
}
