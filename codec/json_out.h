/* Output in pieces to a sink, collected so that the sink is not called for every brace. The first
 * error sticks and the rest is dropped. Private to codec/json_*.c. */
#ifndef CODEC_JSON_OUT_H
#define CODEC_JSON_OUT_H

#include <string.h>

#include "codec/json.h"

struct hz_json_out {
  hz_sink_fn *sink;
  void *arg;
  hz_err err;
  size_t n;
  char buf[1024];
};

static inline void hz_out_init(struct hz_json_out *o, hz_sink_fn *sink, void *arg) {
  o->sink = sink;
  o->arg = arg;
  o->err = HZ_OK;
  o->n = 0;
}

static inline void hz_out_flush(struct hz_json_out *o) {
  if (o->err == HZ_OK && o->n > 0) o->err = o->sink(o->arg, o->buf, o->n);
  o->n = 0;
}

static inline void hz_out(struct hz_json_out *o, const void *data, size_t len) {
  if (len > sizeof(o->buf) - o->n) {
    hz_out_flush(o);
    if (len > sizeof(o->buf)) {
      if (o->err == HZ_OK) o->err = o->sink(o->arg, data, len);
      return;
    }
  }
  memcpy(o->buf + o->n, data, len);
  o->n += len;
}

static inline void hz_out_char(struct hz_json_out *o, char c) {
  if (o->n == sizeof(o->buf)) hz_out_flush(o);
  o->buf[o->n++] = c;
}

#endif
