/* The adapters for raw frames: dialling, and taking over what the listener found to be frames. All
 * else is the shared iostream's. Not here: the listener (listener.c), what frames mean
 * (core/protocol). */
#include "transports/tcp/tcp.h"

#include <stdio.h>
#include <string.h>

#include "transports/common/iostream.h"
#include "transports/common/sniff.h"
#include "transports/tcp/listener.h"

#define ALPN_FRAMES "herz/1"

static const struct hz_transport_ops tcp_ops, tls_ops, unix_ops;

/* --- dialling ---------------------------------------------------------------------------------- */

/* A connection that no listener has limits for. */
struct client {
  struct hz_iostream s; /* first */
  struct hz_limits limits;
};

static void free_client(struct hz_iostream *s) {
  hz_free(s->conn.env->alloc, (struct client *)(void *)s);
}

static const struct hz_iostream_hooks client_hooks = {.free = free_client};

static const struct hz_transport_ops *ops_for(const char *scheme) {
  if (strcmp(scheme, "tls") == 0) return &tls_ops;
  return strcmp(scheme, "unix") == 0 ? &unix_ops : &tcp_ops;
}

static hz_err dial(struct hz_env *env, const struct hz_endpoint *ep,
                   const struct hz_transport_config *config, const struct hz_conn_events *events,
                   void *user, struct hz_conn **out, char *why, size_t why_len) {
  struct client *c = hz_new(env->alloc, struct client);

  if (c == NULL) {
    (void)snprintf(why, why_len, "no memory for a connection");
    return HZ_ENOMEM;
  }
  const struct hz_iostream_dial how = {
      .config = config, .limits = &c->limits, .alpn = ALPN_FRAMES, .events = events, .user = user};
  hz_iostream_init(&c->s, ops_for(ep->scheme), &client_hooks, env, NULL);
  return hz_iostream_dial(&c->s, ep, &how, out, why, why_len);
}

/* --- taking ------------------------------------------------------------------------------------ */

static enum hz_sniff wants_frames(const uint8_t *first, size_t len) {
  if (first[0] != 0xca) return HZ_SNIFF_NO;
  if (len < 2) return HZ_SNIFF_MORE;
  return first[1] == 0xfe ? HZ_SNIFF_YES : HZ_SNIFF_NO;
}

static void ignore_closed(struct hz_io *io, const struct hz_close *why) {
  (void)why;
  hz_io_destroy(io);
}

static void free_server(struct hz_iostream *s) {
  hz_slab_put(&s->conn.env->objects, s, sizeof(*s));
}

static const struct hz_iostream_hooks server_hooks = {.free = free_server};

static void take_frames(struct hz_listener *l, struct hz_io *io, const uint8_t *first, size_t len) {
  static const struct hz_io_events discarded = {.closed = ignore_closed};
  struct hz_iostream *s = hz_slab_get(&l->env->objects, sizeof(*s));

  if (s == NULL) {
    struct hz_close why;
    hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "no memory");
    hz_listener_note(l, "no_memory", "connection");
    hz_listener_forgo(l);
    io->events = &discarded;
    hz_io_abort(io, &why);
    return;
  }
  hz_iostream_init(s, hz_io_peer(io).tls ? &tls_ops : l->ops, &server_hooks, l->env, l);
  hz_iostream_accept(s, io, first, len);
}

static const struct hz_taker frames = {
    .name = "frames", .alpn = ALPN_FRAMES, .wants = wants_frames, .take = take_frames};

/* --- the three --------------------------------------------------------------------------------- */

static const struct hz_transport_ops tcp_ops = {
    .scheme = "tcp",
    .shares_address = true,
    .listen = hz_tcp_listen,
    .unlisten = hz_tcp_unlisten,
    .dial = dial,
    HZ_IOSTREAM_OPS,
};

static const struct hz_transport_ops tls_ops = {
    .scheme = "tls",
    .caps = HZ_CAP_SECURE,
    .dial = dial,
    HZ_IOSTREAM_OPS,
};

static const struct hz_transport_ops unix_ops = {
    .scheme = "unix",
    .listen = hz_tcp_listen,
    .unlisten = hz_tcp_unlisten,
    .dial = dial,
    HZ_IOSTREAM_OPS,
};

const struct hz_transport_ops *hz_transport_tcp(void) {
  hz_sniff_register(&frames);
  return &tcp_ops;
}

const struct hz_transport_ops *hz_transport_tls(void) {
  hz_sniff_register(&frames);
  return &tls_ops;
}

const struct hz_transport_ops *hz_transport_unix(void) {
  hz_sniff_register(&frames);
  return &unix_ops;
}
