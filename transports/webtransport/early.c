/* Streams and datagrams whose session is not there yet, because packets overtake each other: held within bounds, for a
 * while. And streams whose session is gone: what comes is dropped. Not here: who is a session (hub.c). */
#include <string.h>

#include "transports/webtransport/internal.h"

struct hz_wt_early {
  struct hz_link link;
  struct hz_wt_hub *hub;
  struct hz_quic_stream *s;
  uint64_t session;
  hz_time since;
  struct hz_bufq held;
  bool fin;
};

static struct hz_env *env_of(const struct hz_wt_hub *h) {
  return h->limbo.env;
}

/* NULL: its session is gone. */
static struct hz_wt_early *early_of(const struct hz_stream *base) {
  return ((uintptr_t)base->user & 1) != 0 ? NULL : base->user;
}

static void release(struct hz_wt_early *e) {
  struct hz_wt_hub *h = e->hub;
  hz_list_remove(&e->link);
  h->early_count--;
  h->early_bytes -= e->held.bytes;
  hz_bufq_fini(&e->held);
  e->s->base.user = NULL;
  hz_slab_put(&env_of(h)->objects, e, sizeof(*e));
}

static void turn_away(struct hz_wt_early *e, uint64_t code) {
  struct hz_quic_stream *s = e->s;
  hz_listener_note(e->hub->limbo.listener, "wt_streams_rejected", NULL);
  release(e);
  hz_h3_raw_give_up(s, code);
}

static void drop_first_datagram(struct hz_wt_hub *h) {
  hz_listener_note(h->limbo.listener, "datagrams_dropped", NULL);
  hz_buf_unref(h->datagrams[0].data);
  h->datagram_count--;
  memmove(h->datagrams, h->datagrams + 1, h->datagram_count * sizeof(h->datagrams[0]));
}

static void watch(struct hz_wt_hub *h);

static void impatient(struct hz_wheel_timer *t, hz_time now) {
  struct hz_wt_hub *h = HZ_CONTAINER(t, struct hz_wt_hub, patience);
  hz_time patience = hz_h3_carrier(h->h3)->limits->frame_timeout_ns;
  while (h->datagram_count > 0 && now >= h->datagrams[0].since + patience) drop_first_datagram(h);
  while (!hz_list_empty(&h->early)) {
    struct hz_wt_early *e = HZ_CONTAINER(h->early.next, struct hz_wt_early, link);
    if (now < e->since + patience) break;
    turn_away(e, HZ_WT_BUFFERED_STREAM_REJECTED);
  }
  watch(h);
}

/* Until the oldest has waited long enough. */
static void watch(struct hz_wt_hub *h) {
  hz_time since = HZ_TIME_NEVER;
  if (hz_wheel_armed(&h->patience)) return;
  if (h->datagram_count > 0) since = h->datagrams[0].since;
  if (!hz_list_empty(&h->early)) {
    hz_time first = HZ_CONTAINER(h->early.next, struct hz_wt_early, link)->since;
    if (first < since) since = first;
  }
  if (since != HZ_TIME_NEVER)
    hz_wheel_set(&env_of(h)->wheel, &h->patience,
                 since + hz_h3_carrier(h->h3)->limits->frame_timeout_ns, impatient);
}

bool hz_wt_early_room(const struct hz_wt_hub *h) {
  return h->early_count < HZ_WT_EARLY_STREAMS && h->early_bytes < HZ_WT_EARLY_BYTES;
}

/* ---- events of limbo's streams ---- */

static void on_stream(struct hz_conn *limbo, struct hz_stream *base) {
  struct hz_wt_hub *h = limbo->user;
  struct hz_quic_stream *s = hz_quic_stream_of(base);
  struct hz_env *env = limbo->env;
  struct hz_wt_early *e = hz_slab_get(&env->objects, sizeof(*e));
  if (e == NULL) {
    hz_h3_raw_give_up(s, HZ_WT_BUFFERED_STREAM_REJECTED);
    return;
  }
  *e = (struct hz_wt_early){.hub = h, .s = s, .session = h->arriving, .since = env->now};
  hz_bufq_init(&e->held, env->alloc, UINT32_MAX, 0);
  base->user = e;
  hz_list_push(&h->early, &e->link);
  h->early_count++;
  watch(h);
}

static void on_data(struct hz_stream *base, const uint8_t *data, size_t len, bool fin) {
  struct hz_wt_early *e = early_of(base);
  if (e == NULL) { /* of a session that is gone */
    hz_quic_stream_consume(base, len);
    return;
  }
  size_t had = e->held.bytes;
  hz_err err = hz_bufq_append(&e->held, &env_of(e->hub)->pool, data, len);
  e->hub->early_bytes += e->held.bytes - had;
  e->fin |= fin;
  if (err != HZ_OK || e->hub->early_bytes > HZ_WT_EARLY_BYTES)
    turn_away(e, HZ_WT_BUFFERED_STREAM_REJECTED);
}

static void on_reset(struct hz_stream *base, uint64_t code) {
  struct hz_wt_early *e = early_of(base);
  (void)code;
  if (e == NULL) return;
  struct hz_quic_stream *s = e->s;
  release(e);
  hz_h3_raw_give_up(s, HZ_WT_SESSION_GONE);
}

static void on_stream_closed(struct hz_stream *base) {
  if (early_of(base) != NULL) release(early_of(base));
}

const struct hz_conn_events hz_wt_limbo_events = {.stream = on_stream,
                                                  .data = on_data,
                                                  .reset = on_reset,
                                                  .stop = on_reset,
                                                  .stream_closed = on_stream_closed};

/* ---- the session is there, or will never be ---- */

static void hand_over(struct hz_wt_early *e, struct hz_wt *wt) {
  struct hz_wt_hub *h = e->hub;
  struct hz_quic_stream *s = e->s;
  struct hz_bufq held = e->held;
  bool fin = e->fin;
  h->early_bytes -= held.bytes;
  hz_bufq_init(&e->held, env_of(h)->alloc, UINT32_MAX, 0);
  release(e);
  struct hz_conn *owner = hz_wt_owner(wt);
  s->base.conn = owner;
  owner->events->stream(owner, &s->base);
  while (held.count > 0 || fin) {
    struct hz_buf *b = held.count > 0 ? hz_bufq_take(&held) : NULL;
    bool last = fin && held.count == 0;
    if (!wt->conn.closing && !s->stopped_recv)
      owner->events->data(&s->base, b == NULL ? NULL : hz_buf_data(b), b == NULL ? 0 : b->len,
                          last);
    hz_buf_unref(b);
    if (last) break;
  }
  hz_bufq_fini(&held);
}

void hz_wt_early_deliver(struct hz_wt_hub *h, struct hz_wt *wt) {
  struct hz_link *l = h->early.next;
  while (l != &h->early) {
    struct hz_wt_early *e = HZ_CONTAINER(l, struct hz_wt_early, link);
    l = l->next;
    if (e->session == wt->id && !wt->conn.closing) hand_over(e, wt);
  }
  uint32_t kept = 0;
  for (uint32_t i = 0; i < h->datagram_count; i++) {
    struct hz_wt_early_datagram d = h->datagrams[i];
    if (d.session != wt->id) {
      h->datagrams[kept++] = d;
      continue;
    }
    if (!wt->conn.closing) hz_wt_take_datagram(wt, hz_buf_data(d.data), d.data->len);
    hz_buf_unref(d.data);
  }
  h->datagram_count = kept;
}

void hz_wt_early_refuse(struct hz_wt_hub *h, uint64_t id, uint64_t code) {
  struct hz_link *l = h->early.next;
  while (l != &h->early) {
    struct hz_wt_early *e = HZ_CONTAINER(l, struct hz_wt_early, link);
    l = l->next;
    if (e->session == id) turn_away(e, code);
  }
  uint32_t kept = 0;
  for (uint32_t i = 0; i < h->datagram_count; i++) {
    if (h->datagrams[i].session == id)
      hz_buf_unref(h->datagrams[i].data);
    else
      h->datagrams[kept++] = h->datagrams[i];
  }
  h->datagram_count = kept;
}

void hz_wt_early_datagram(struct hz_wt_hub *h, uint64_t id, const uint8_t *data, size_t len) {
  struct hz_buf *b = NULL;
  if (h->datagram_count < HZ_WT_EARLY_DATAGRAMS) b = hz_buf_copy(&env_of(h)->pool, data, len);
  if (b == NULL)
    hz_listener_note(h->limbo.listener, "datagrams_dropped", NULL);
  else
    h->datagrams[h->datagram_count++] = (struct hz_wt_early_datagram){id, env_of(h)->now, b};
  watch(h);
}

void hz_wt_early_fini(struct hz_wt_hub *h) {
  hz_wheel_cancel(&env_of(h)->wheel, &h->patience);
  while (!hz_list_empty(&h->early)) release(HZ_CONTAINER(h->early.next, struct hz_wt_early, link));
  for (uint32_t i = 0; i < h->datagram_count; i++) hz_buf_unref(h->datagrams[i].data);
  h->datagram_count = 0;
}
