/* Topics: see the header. */
#include "core/pubsub/topic.h"

#include "core/base/utf8.h"
#include "core/pubsub/hash.h"

static bool is_control(const unsigned char *p, size_t i, size_t n) {
  return p[i] < 0x20 || p[i] == 0x7f || (p[i] == 0xc2 && i + 1 < n && p[i + 1] < 0xa0);
}

const char *hz_topic_text_check(struct hz_str text) {
  const unsigned char *p = (const unsigned char *)text.p;

  if (!hz_utf8_valid(text.p, text.n)) return "it is not UTF-8";
  for (size_t i = 0; i < text.n; i++) {
    if (is_control(p, i, text.n)) return "it has a control character";
  }
  return NULL;
}

static const char *check_segment(struct hz_str s) {
  if (s.n == 1 && (s.p[0] == '*' || s.p[0] == '>')) {
    return "a segment that is * or > is for patterns";
  }
  return NULL;
}

static const char *cut(struct hz_topic *t, struct hz_str text) {
  size_t from = 0;

  t->text = text;
  t->count = 0;
  for (size_t i = 0; i <= text.n; i++) {
    if (i < text.n && (text.p[i] == '+' || text.p[i] == '#')) return "+ and # are for patterns";
    if (i < text.n && text.p[i] != '/') continue;
    if (t->count == HZ_TOPIC_SEGMENTS_MAX) return "it has more than 32 segments";
    const char *wrong = check_segment((struct hz_str){text.p + from, i - from});
    if (wrong != NULL) return wrong;
    t->end[t->count++] = (uint16_t)i;
    from = i + 1;
  }
  return NULL;
}

static const char *take_apart(struct hz_topic *t, struct hz_str text) {
  if (text.n == 0) return "it is empty";
  if (text.n > HZ_TOPIC_MAX) return "it is longer than 512 bytes";
  if (text.p[0] == '~') return "~ in front is for patterns";
  const char *wrong = hz_topic_text_check(text);
  return wrong != NULL ? wrong : cut(t, text);
}

const char *hz_topic_check(struct hz_str topic) {
  struct hz_topic t;

  return take_apart(&t, topic);
}

const char *hz_topic_read(struct hz_topic *out, struct hz_str topic,
                          const struct hz_topic_key *key) {
  const char *wrong = take_apart(out, topic);

  if (wrong != NULL) return wrong;
  for (uint32_t i = 0; i < out->count; i++) {
    out->hash[i] = hz_hash_text(hz_topic_segment(out, i), key);
  }
  return NULL;
}

uint64_t hz_topic_hash(const struct hz_topic *t) {
  uint64_t h = HZ_HASH_ROOT;

  for (uint32_t i = 0; i < t->count; i++) h = hz_hash_step(h, t->hash[i]);
  return h;
}
