/* Topics: see the header. */
#include "core/pubsub/topic.h"

#include "core/base/utf8.h"
#include "core/pubsub/hash.h"

static const char not_utf8[] = "it is not UTF-8", has_control[] = "it has a control character";

static bool is_control(const unsigned char *p, size_t i, size_t n) {
  return p[i] < 0x20 || p[i] == 0x7f || (p[i] == 0xc2 && i + 1 < n && p[i + 1] < 0xa0);
}

const char *hz_topic_text_check(struct hz_str text) {
  const unsigned char *p = (const unsigned char *)text.p;

  if (!hz_utf8_valid(text.p, text.n)) return not_utf8;
  for (size_t i = 0; i < text.n; i++) {
    if (is_control(p, i, text.n)) return has_control;
  }
  return NULL;
}

/* A segment ends in front of `end`; `from` is where the next one begins. */
static const char *close_segment(struct hz_topic *t, size_t *from, size_t end) {
  const char *p = t->text.p + *from;

  if (t->count == HZ_TOPIC_SEGMENTS_MAX) return "it has more than 32 segments";
  if (end - *from == 1 && (*p == '*' || *p == '>'))
    return "a segment that is * or > is for patterns";
  t->end[t->count++] = (uint16_t)end;
  *from = end + 1;
  return NULL;
}

/* One look at each byte; most are letters and digits. */
static const char *cut(struct hz_topic *t, struct hz_str text) {
  const unsigned char *p = (const unsigned char *)text.p;
  const char *wrong = NULL;
  size_t from = 0;

  t->text = text;
  t->count = 0;
  for (size_t i = 0; i < text.n && wrong == NULL; i++) {
    if (p[i] > '/' && p[i] < 0x7f) continue;
    if (p[i] == '/') {
      wrong = close_segment(t, &from, i);
    } else if (p[i] == '+' || p[i] == '#') {
      wrong = "+ and # are for patterns";
    } else if (is_control(p, i, text.n)) {
      wrong = has_control;
    }
  }
  return wrong != NULL ? wrong : close_segment(t, &from, text.n);
}

static const char *take_apart(struct hz_topic *t, struct hz_str text) {
  if (text.n == 0) return "it is empty";
  if (text.n > HZ_TOPIC_MAX) return "it is longer than 512 bytes";
  if (text.p[0] == '~') return "~ in front is for patterns";
  return hz_utf8_valid(text.p, text.n) ? cut(t, text) : not_utf8;
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
