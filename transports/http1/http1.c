/* The tables through which the core and the tcp port reach this adapter, and the taker. Not here: what
 * happens on a connection (server.c, client.c). */
#include "transports/http1/http1.h"

#include "transports/common/upgrade.h"
#include "transports/http1/client.h"
#include "transports/http1/server.h"

static const struct hz_transport_ops http_ops = {
    .scheme = "http",
    .dial = hz_h1_dial,
    HZ_IOSTREAM_OPS,
    .request = hz_h1_op_request,
    .drain = hz_h1_op_drain,
};

static const struct hz_transport_ops https_ops = {
    .scheme = "https",
    .caps = HZ_CAP_SECURE,
    .dial = hz_h1_dial,
    HZ_IOSTREAM_OPS,
    .request = hz_h1_op_request,
    .drain = hz_h1_op_drain,
};

const struct hz_transport_ops *hz_transport_http(void) {
  return &http_ops;
}

const struct hz_transport_ops *hz_transport_https(void) {
  return &https_ops;
}

/* --- the taker ----------------------------------------------------------------------------------- */

static enum hz_sniff wants(const uint8_t *first, size_t len) {
  (void)len; /* every method begins with a capital; frames and TLS do not */
  return first[0] >= 'A' && first[0] <= 'Z' ? HZ_SNIFF_YES : HZ_SNIFF_NO;
}

static void turned_away(struct hz_io *io, const struct hz_close *why) {
  (void)why;
  hz_io_destroy(io);
}
static void no_event(struct hz_io *io) {
  (void)io;
}
static void no_data(struct hz_io *io, const uint8_t *data, size_t len) {
  (void)io;
  (void)data;
  (void)len;
}

static void take(struct hz_listener *l, struct hz_io *io, const uint8_t *first, size_t len) {
  static const struct hz_io_events deaf = {.opened = no_event,
                                           .data = no_data,
                                           .eof = no_event,
                                           .writable = no_event,
                                           .closed = turned_away};
  struct hz_slab *objects = &io->env->objects;
  struct hz_h1_conn *c = hz_slab_get(objects, HZ_UPGRADE_BYTES);
  struct hz_h1 *h = hz_slab_get(objects, sizeof(*h));
  if (c == NULL || h == NULL) {
    hz_slab_put(objects, c, HZ_UPGRADE_BYTES);
    hz_slab_put(objects, h, sizeof(*h));
    struct hz_close why;
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_INTERNAL, HZ_ENOMEM,
                 "no memory for a connection");
    hz_listener_forgo(l);
    io->events = &deaf;
    hz_io_abort(io, &why);
    return;
  }
  c->h = h;
  hz_h1_init(h, &c->s);
  hz_iostream_init(&c->s, hz_io_peer(io).tls ? &https_ops : &http_ops, &hz_h1_hooks, io->env, l);
  hz_iostream_accept(&c->s, io, first, len);
}

const struct hz_taker *hz_http1_taker(void) {
  static const struct hz_taker taker = {
      .name = "http", .alpn = "http/1.1", .wants = wants, .take = take};
  return &taker;
}
