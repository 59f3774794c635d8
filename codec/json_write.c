/* msgpack -> JSON in one pass, with a fixed stack and no allocation. The forms that JSON lacks:
 * docs/json.md and json_forms.h. Not here: the way back (json_read.c). */
#include <math.h>
#include <yyjson.h>

#include "codec/json.h"
#include "codec/json_forms.h"
#include "codec/json_out.h"
#include "codec/msgpack.h"

/* A container that is open. */
struct level {
  enum { ARRAY, OBJECT, PAIRS } type; /* PAIRS: a map whose keys are not text */
  bool single;                        /* a map of one pair: its key may look like a form's */
  bool first;
  uint64_t left; /* items still to come, keys counted */
};

struct writer {
  struct hz_json_out out;
  bool pretty;
  size_t depth;
  struct level levels[HZ_DEPTH_MAX];
};

static void literal(struct writer *w, const char *text) {
  hz_out(&w->out, text, strlen(text));
}

static void line(struct writer *w) {
  if (!w->pretty) return;
  hz_out_char(&w->out, '\n');
  for (size_t i = 0; i < w->depth; i++) hz_out(&w->out, "  ", 2);
}

static void escape(struct writer *w, uint8_t c) {
  static const char hex[] = "0123456789abcdef";
  char u[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
  switch (c) {
    case '"': literal(w, "\\\""); break;
    case '\\': literal(w, "\\\\"); break;
    case '\b': literal(w, "\\b"); break;
    case '\f': literal(w, "\\f"); break;
    case '\n': literal(w, "\\n"); break;
    case '\r': literal(w, "\\r"); break;
    case '\t': literal(w, "\\t"); break;
    default: hz_out(&w->out, u, sizeof(u));
  }
}

/* `prefix`: nothing, or the '$' that quotes a key. */
static void string(struct writer *w, const char *prefix, struct hz_str s) {
  hz_out_char(&w->out, '"');
  literal(w, prefix);
  size_t run = 0; /* where what is not yet written begins */
  for (size_t i = 0; i < s.n; i++) {
    uint8_t c = (uint8_t)s.p[i];
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    hz_out(&w->out, s.p + run, i - run);
    escape(w, c);
    run = i + 1;
  }
  hz_out(&w->out, s.p + run, s.n - run);
  hz_out_char(&w->out, '"');
}

static void base64(struct writer *w, struct hz_str bytes) {
  hz_out_char(&w->out, '"');
  for (size_t i = 0; i < bytes.n; i += 3) {
    char quad[4];
    hz_base64_quad(quad, (const uint8_t *)bytes.p + i, bytes.n - i);
    hz_out(&w->out, quad, 4);
  }
  hz_out_char(&w->out, '"');
}

static void integer(struct writer *w, bool negative, uint64_t magnitude) {
  char text[21];
  size_t at = sizeof(text);
  do {
    text[--at] = (char)('0' + magnitude % 10);
    magnitude /= 10;
  } while (magnitude > 0);
  if (negative) text[--at] = '-';
  hz_out(&w->out, text + at, sizeof(text) - at);
}

/* The shortest text that reads back as the same number: yyjson's, which wants an allocator and gets
 * a piece of the stack. */
static void real(struct writer *w, double d) {
  char room[1024];
  yyjson_alc alc;
  yyjson_val v = {0};
  size_t len = 0;
  char *text = NULL;
  if (!isfinite(d)) {
    literal(w, "null");
    return;
  }
  (void)yyjson_set_real(&v, d);
  if (yyjson_alc_pool_init(&alc, room, sizeof(room)))
    text = yyjson_val_write_opts(&v, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);
  if (text == NULL)
    w->out.err = HZ_EINTERNAL; /* the room did not do: a newer yyjson wants more */
  else
    hz_out(&w->out, text, len);
}

static void ext(struct writer *w, const struct hz_mp_item *item) {
  char text[HZ_TIME_TEXT_MAX];
  size_t n = item->ext_type == HZ_EXT_TIMESTAMP ? hz_time_to_text(text, item->data) : 0;
  if (n > 0) {
    literal(w, w->pretty ? "{\"$time\": " : "{\"$time\":");
    string(w, "", (struct hz_str){text, n});
    hz_out_char(&w->out, '}');
    return;
  }
  int type = item->ext_type;
  literal(w, w->pretty ? "{\"$ext\": [" : "{\"$ext\":[");
  integer(w, type < 0, (uint64_t)(type < 0 ? -type : type));
  literal(w, w->pretty ? ", " : ",");
  base64(w, item->data);
  literal(w, "]}");
}

static void scalar(struct writer *w, const struct hz_mp_item *item) {
  switch (item->type) {
    case HZ_MP_NIL: literal(w, "null"); break;
    case HZ_MP_BOOL: literal(w, item->boolean ? "true" : "false"); break;
    case HZ_MP_DOUBLE: real(w, item->d); break;
    case HZ_MP_UINT: integer(w, false, item->u); break;
    case HZ_MP_INT: integer(w, true, 0 - (uint64_t)item->i); break;
    case HZ_MP_STR: string(w, "", item->data); break;
    case HZ_MP_BIN:
      literal(w, w->pretty ? "{\"$bin\": " : "{\"$bin\":");
      base64(w, item->data);
      hz_out_char(&w->out, '}');
      break;
    case HZ_MP_EXT: ext(w, item); break;
    case HZ_MP_ARRAY:
    case HZ_MP_MAP: break; /* not scalars */
  }
}

static bool is_key(const struct level *l) {
  return l->type != ARRAY && l->left % 2 == 0;
}

/* What stands before the next item of the innermost container. */
static void separate(struct writer *w) {
  if (w->depth == 0) return;
  struct level *l = &w->levels[w->depth - 1];
  if (l->type == ARRAY || is_key(l)) {
    if (!l->first) hz_out_char(&w->out, ',');
    line(w);
    if (l->type == PAIRS) hz_out_char(&w->out, '[');
  } else {
    hz_out_char(&w->out, l->type == PAIRS ? ',' : ':');
    if (w->pretty) hz_out_char(&w->out, ' ');
  }
  l->first = false;
}

static void open_container(struct writer *w, const struct hz_mp_item *item,
                           const struct hz_mp_reader *r) {
  struct level *l = &w->levels[w->depth++];
  *l = (struct level){.type = ARRAY, .first = true, .left = item->count};
  if (item->type == HZ_MP_MAP) {
    l->left *= 2;
    l->single = item->count == 1;
    l->type = OBJECT;
    if (item->count > 0) { /* the count was checked: there is a byte */
      uint8_t c = *r->p;
      bool text = (c & 0xe0) == 0xa0 || (c >= 0xd9 && c <= 0xdb);
      if (!text) l->type = PAIRS;
    }
  }
  if (l->type == PAIRS) literal(w, w->pretty ? "{\"$map\": " : "{\"$map\":");
  hz_out_char(&w->out, l->type == OBJECT ? '{' : '[');
}

/* Accounts for one item that is complete, and closes what is complete with it. */
static void item_done(struct writer *w, bool opened) {
  bool just_opened = opened;
  while (w->depth > 0) {
    struct level *l = &w->levels[w->depth - 1];
    if (just_opened) {
      if (l->left > 0) return;
    } else {
      l->left--;
      if (l->type == PAIRS && l->left % 2 == 0) hz_out_char(&w->out, ']');
      if (l->left > 0) return;
    }
    just_opened = false;
    w->depth--;
    if (!l->first) line(w);
    literal(w, l->type == ARRAY ? "]" : l->type == OBJECT ? "}" : "]}");
  }
}

static hz_err write_item(struct writer *w, struct hz_mp_reader *r) {
  struct hz_mp_item item;
  hz_err err = hz_mp_next(r, &item);
  if (err != HZ_OK) return err;
  const struct level *l = w->depth > 0 ? &w->levels[w->depth - 1] : NULL;
  bool key = l != NULL && l->type == OBJECT && is_key(l);
  if (key && item.type != HZ_MP_STR) return HZ_EUNSUPPORTED;
  bool container = item.type == HZ_MP_ARRAY || item.type == HZ_MP_MAP;
  if (container && w->depth == HZ_DEPTH_MAX) return HZ_EDEPTH;

  separate(w);
  if (key) {
    bool quote = l->single && hz_json_form_of(item.data) != HZ_FORM_PLAIN;
    string(w, quote ? "$" : "", item.data);
  } else if (container) {
    open_container(w, &item, r);
  } else {
    scalar(w, &item);
  }
  item_done(w, container);
  return w->out.err;
}

hz_err hz_msgpack_to_json(const void *data, size_t len, bool pretty, hz_sink_fn *sink, void *arg) {
  struct hz_mp_reader r = hz_mp_reader_of((struct hz_str){data, len});
  struct writer w;
  hz_out_init(&w.out, sink, arg);
  w.pretty = pretty;
  w.depth = 0;
  do {
    hz_err err = write_item(&w, &r);
    if (err != HZ_OK) return err;
  } while (w.depth > 0);
  if (r.p != r.end) return HZ_EPROTO;
  hz_out_flush(&w.out);
  return w.out.err;
}
