/* Peers of `herz bench sub --raw`: how a subscriber and a publisher of each are opened, what is published, what
 * comes of it. Not here: the loop (bench_fan_raw.c). */
#ifndef APPS_HERZ_BENCH_FAN_PEER_H
#define APPS_HERZ_BENCH_FAN_PEER_H

#include "apps/herz/bench_peer.h"

/** Made once for all connections. */
struct fan_script {
  const struct raw_target *target;
  const char *kind, *topic;
  uint32_t size, timeout_ms;
  char *publish;                  /* malloc()ed: one event */
  size_t publish_len, publish_at; /* publish_at: where its number stands */
  size_t delivery_len, delivery_at;
  size_t head_len; /* how each delivery begins */
  char head[RAW_HEAD_MAX];
  bool wrapped;      /* all of it comes in messages of WebSocket */
  const char *aside; /* what the peer says between deliveries, of itself; NULL: nothing */
};

/** Out of its first five members. EXIT_OK, or an exit code after saying why. fan_script_free() in both cases. */
int fan_script_make(struct fan_script *s);
void fan_script_free(struct fan_script *s);

/** A connection that is subscribed, or that publishes. A socket that blocks, or the negative exit code after
 * saying why. The first subscriber is opened alone: what it is sent tells how long a delivery is. */
int fan_open_subscriber(struct fan_script *s);
int fan_open_publisher(const struct fan_script *s);

#endif
