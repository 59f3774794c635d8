/* Publish and subscribe in frames: SUB, UNSUB, PUB from a client, ACK and EVENT to it. Not here: who gets
 * what (core/pubsub), the client's half (core/app/client_topic.c).
 *
 * A connection with subscriptions may rest: its events leave without a session, straight into its stream,
 * until that is full. */
#include <string.h>

#include "core/protocol/internal.h"

/* ---- events to frames ---- */

static uint32_t peer_frame(const struct hz_conn_hub *h) {
  const struct hz_session *s = hz_session_of(h->conn);

  return s != NULL ? s->peer_frame : h->conn->kept.peer_frame;
}

static uint8_t flags_of(const struct hz_conn_hub *h) {
  const struct hz_session *s = hz_session_of(h->conn);
  bool checksum = s != NULL ? s->checksum : h->conn->kept_checksum;

  return checksum ? HZ_FRAME_CRC : 0;
}

static void seal(struct hz_buf *b, uint32_t at, uint8_t flags, hz_err err) {
  if (err == HZ_OK) err = hz_frame_seal_at(b, at, flags);
  if (err != HZ_OK) b->len = at;
}

static void write_gap(struct hz_buf *b, const struct hz_pulled *p, uint8_t flags) {
  uint32_t at = b->len;

  b->len += HZ_FRAME_HEADER;
  seal(b, at, flags, hz_encode_gap(b, p->sub->id, p->topic, p->epoch, p->offset, p->missed));
}

static void write_event_around(struct hz_event_parts *o, const struct hz_pulled *p, uint8_t flags) {
  uint8_t *start = hz_buf_tail(o->b), *head = start + HZ_FRAME_HEADER;
  const uint32_t head_len = (uint32_t)(hz_put_event_head(head, p->sub->id) - head);

  hz_frame_header(start, head_len + o->tail->len, flags);
  o->b->len += HZ_FRAME_HEADER + head_len;
  if (o->trailer == NULL) return;
  hz_frame_trailer_of_two(hz_buf_data(o->trailer), flags, head, head_len, hz_buf_data(o->tail),
                          o->tail->len);
  o->trailer->len = HZ_FRAME_TRAILER;
}

static void write_event(struct hz_buf *b, const struct hz_pulled *p, uint8_t flags) {
  const struct hz_event *e = p->event->event;
  uint32_t at = b->len;

  b->len += HZ_FRAME_HEADER;
  uint8_t *to = hz_put_event_head(hz_buf_tail(b), p->sub->id);
  memcpy(to, hz_event_tail(e), e->len);
  b->len = (uint32_t)(to + e->len - hz_buf_data(b));
  seal(b, at, flags, HZ_OK);
}

/* What its reader does not take is a gap for it. */
static void leave_out(struct hz_buf *b, struct hz_pulled *p, uint8_t flags) {
  const struct hz_event *e = p->event->event;

  p->topic = e->topic;
  p->epoch = e->epoch;
  p->offset = e->offset;
  p->missed = 1;
  write_gap(b, p, flags);
  hz_subscription_credit(p->sub, 1); /* what pulling it took */
}

static void drop_tail(struct hz_event_parts *o) {
  hz_buf_unref(o->tail);
  hz_buf_unref(o->trailer);
  o->tail = o->trailer = NULL;
}

void hz_pulled_write(struct hz_conn_hub *h, struct hz_event_parts *o, struct hz_pulled *p) {
  struct hz_counters *counters = h->base.node->counters;
  uint8_t flags = flags_of(h);

  HZ_COUNT(counters, frames_out);
  if (p->gap) write_gap(o->b, p, flags);
  if (p->event == NULL) return;
  if (p->event->event->len + HZ_EVENT_FRAME_OVERHEAD > peer_frame(h)) {
    HZ_COUNT(counters, events_dropped);
    leave_out(o->b, p, flags);
    drop_tail(o);
  } else {
    HZ_COUNT(counters, events_out);
    if (o->tail != NULL)
      write_event_around(o, p, flags);
    else
      write_event(o->b, p, flags);
  }
  hz_delivery_unref(p->event);
}

bool hz_event_parts_new(struct hz_conn_hub *h, const struct hz_subscription *sub, size_t room,
                        struct hz_event_parts *o) {
  struct hz_pool *pool = &h->conn->env->pool;
  struct hz_delivery *d = hz_subscription_next_event(sub);
  size_t first = hz_subscription_next_size(sub);
  bool shared = d != NULL && d->event->len > HZ_EVENT_SHARED_BYTES;
  bool sums = shared && (flags_of(h) & HZ_FRAME_CRC) != 0;

  *o = (struct hz_event_parts){NULL, NULL, NULL};
  if (room > HZ_GATHER_BYTES) room = HZ_GATHER_BYTES;
  if (room < first) room = first;
  /* Of a shared one the heads, or the gap that stands for it when it is left out. */
  if (shared) room = first - d->event->len + HZ_GAP_FRAME_OVERHEAD + d->event->topic.n;
  o->b = hz_buf_new(pool, room);
  if (shared) o->tail = hz_delivery_tail(d);
  if (sums) o->trailer = hz_buf_new(pool, HZ_FRAME_TRAILER);
  if (o->b != NULL && shared == (o->tail != NULL) && sums == (o->trailer != NULL)) return true;
  hz_buf_unref(o->b);
  drop_tail(o);
  HZ_COUNT(h->base.node->counters, no_memory);
  hz_hub_node_later(h->base.node, &h->base);
  return false;
}

bool hz_event_parts_take(const struct hz_event_parts *o, size_t next) {
  bool first = o->b->len == 0;

  if (o->tail != NULL) return first && next > 0;
  return next > 0 && next <= hz_buf_room(o->b) && (first || next <= HZ_EVENT_SHARED_BYTES);
}

struct hz_buf *hz_event_parts_next(struct hz_event_parts *o) {
  struct hz_buf **at = o->b != NULL ? &o->b : o->tail != NULL ? &o->tail : &o->trailer;
  struct hz_buf *b = *at;

  *at = NULL;
  return b;
}

static hz_err send_parts(struct hz_conn *conn, struct hz_event_parts *o) {
  struct hz_buf *b;
  hz_err err = HZ_OK;

  while ((b = hz_event_parts_next(o)) != NULL) {
    if (err == HZ_OK)
      err = hz_session_send_events(conn, b);
    else
      hz_buf_unref(b);
  }
  return err;
}

static void flush(struct hz_subscriber *base) {
  struct hz_conn_hub *h = HZ_CONTAINER(base, struct hz_conn_hub, base);
  struct hz_subscription *sub;
  struct hz_event_parts parts;
  struct hz_pulled p;

  while (!h->conn->closing && (sub = hz_subscriber_first(base)) != NULL) {
    struct hz_session *s = hz_session_of(h->conn);

    if (s != NULL && s->control != NULL && s->control->blocked) {
      base->blocked = true; /* hz_event_lane_writable() tells */
      return;
    }
    if (!hz_event_parts_new(h, sub, base->bytes, &parts)) return;
    while (hz_event_parts_take(&parts, hz_subscriber_next_size(base))) {
      if (!hz_subscriber_pull(base, &p)) break;
      hz_pulled_write(h, &parts, &p);
    }
    if (send_parts(h->conn, &parts) != HZ_OK) return;
  }
}

void hz_conn_hub_overrun(struct hz_subscriber *base, struct hz_subscription *sub) {
  struct hz_conn_hub *h = HZ_CONTAINER(base, struct hz_conn_hub, base);

  (void)sub;
  if (h->conn->closing) return;
  HZ_COUNT(base->node->counters, subscribers_closed);
  hz_session_close_conn(h->conn, HZ_CLOSE_LIMIT, HZ_ELIMIT, "a subscription is read too slowly");
}

static const struct hz_subscriber_ops frame_ops = {.flush = flush, .overrun = hz_conn_hub_overrun};

/* ---- a connection's subscriptions ---- */

static struct hz_conn_hub *hub_of(struct hz_session *s) {
  if (s->hub != NULL) return s->hub;
  s->hub = hz_slab_get(&s->conn->env->objects, sizeof(*s->hub));
  if (s->hub == NULL) return NULL;
  s->hub->conn = s->conn;
  bool streams = (s->conn->caps & HZ_CAP_STREAMS) != 0 && (s->conn->caps & HZ_CAP_UNI) != 0;
  hz_subscriber_init(&s->hub->base, s->owner->hub, streams ? &hz_event_stream_ops : &frame_ops);
  return s->hub;
}

static void end_subscription(struct hz_conn_hub *h, struct hz_subscription *sub) {
  hz_event_lane_end(h, sub);
  hz_hub_unsubscribe(sub);
}

void hz_conn_hub_free(struct hz_conn_hub *h) {
  if (h == NULL) return;
  while (h->base.subs != NULL) end_subscription(h, h->base.subs);
  hz_subscriber_fini(&h->base);
  if (h->lanes != NULL) hz_idmap_fini(h->lanes);
  hz_slab_put(&h->conn->env->objects, h->lanes, sizeof(*h->lanes));
  hz_slab_put(&h->conn->env->objects, h, sizeof(*h));
}

static void drop_empty(struct hz_session *s) {
  if (s->hub == NULL || s->hub->base.count > 0) return;
  hz_conn_hub_free(s->hub);
  s->hub = NULL;
}

void hz_conn_hub_drop(struct hz_session *s, struct hz_subscription *sub) {
  end_subscription(s->hub, sub);
  drop_empty(s);
}

static struct hz_subscription *find(struct hz_session *s, uint64_t id) {
  struct hz_subscription *sub = s->hub == NULL ? NULL : s->hub->base.subs;

  /* The newest first, and a client counts upwards. */
  while (sub != NULL && sub->id != id) sub = sub->next;
  return sub;
}

/* ---- answers ---- */

static void refuse(struct hz_lane *l, const struct hz_envelope *e, enum hz_wire_code code,
                   const char *text) {
  struct hz_session *s = l->session;

  HZ_COUNT(s->owner->counters, hub_refused);
  if (e->has_id) hz_session_error(s, l, true, e->id, code, text);
}

static void refuse_for(struct hz_lane *l, const struct hz_envelope *e, hz_err err,
                       const char *limit) {
  switch (err) {
    case HZ_ELIMIT: refuse(l, e, HZ_WIRE_LIMIT, limit); break;
    case HZ_ETOOBIG: refuse(l, e, HZ_WIRE_TOO_LARGE, "the event would not fit into a frame"); break;
    default: refuse(l, e, HZ_WIRE_INTERNAL, "memory is short"); break;
  }
}

static void acknowledge(struct hz_lane *l, uint64_t id, const struct hz_position *at) {
  struct hz_place p;

  if (hz_lane_reserve(l, HZ_SMALL_SIZE, &p) != HZ_OK) return;
  (void)hz_lane_commit(l, &p, hz_encode_ack(p.b, id, at->epoch, at->offset), false);
}

/* ---- frames ---- */

static bool is(struct hz_str text, const char *word) {
  return hz_str_eq(text, hz_str_of(word));
}

static enum hz_delivery_class class_of(struct hz_str text) {
  if (is(text, "stream")) return HZ_CLASS_STREAM;
  if (is(text, "datagram")) return HZ_CLASS_DATAGRAM;
  if (is(text, "latest")) return HZ_CLASS_LATEST;
  return HZ_CLASS_ORDERED;
}

static enum hz_slow_policy slow_of(struct hz_str text) {
  if (is(text, "newest")) return HZ_SLOW_NEWEST;
  if (is(text, "latest")) return HZ_SLOW_LATEST;
  if (is(text, "pause")) return HZ_SLOW_PAUSE;
  if (is(text, "close")) return HZ_SLOW_CLOSE;
  return HZ_SLOW_OLDEST;
}

/* Credit that such an event took would be lost with it. */
static bool paused_and_lossy(const struct hz_sub_options *o) {
  bool lossy = is(o->delivery, "datagram") || (is(o->delivery, "stream") && o->deadline_ms > 0);

  return lossy && is(o->slow, "pause");
}

static uint32_t stale_of(uint64_t ms) {
  return ms > 163000 ? 16300u : (uint32_t)(ms + 9) / 10;
}

/* On topics that have presence others see who has subscribed. */
static hz_err attend(struct hz_session *s, struct hz_subscription *sub, const struct hz_filter *f,
                     struct hz_str as) {
  struct hz_subscriber *base = &s->hub->base;
  struct hz_presence *p = &base->node->hub->presence;
  struct hz_peer who = {.tls = false};

  if (!hz_presence_of(p, f)) return HZ_OK;
  if (base->member == 0) {
    base->member = hz_presence_id(p);
    if (s->seat != NULL) base->member = hz_seat_member(s->seat, base->member);
  }
  s->conn->ops->peer(s->conn, &who);
  return hz_hub_attend(sub, f, as, hz_peer_verified_name(&who));
}

static void sub_came(struct hz_lane *l, const struct hz_envelope *e) {
  struct hz_session *s = l->session;
  const struct hz_hub_rules *rules = &s->owner->hub->hub->rules;
  struct hz_position at = {0, 0};
  struct hz_subscription *sub;
  struct hz_filter filter;

  if (find(s, e->id) != NULL || (s->mux && hz_idmap_get(&s->calls, e->id) != NULL)) {
    hz_session_fail(s, l, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED, HZ_EPROTO,
                    "the id of this subscription is in use");
    return;
  }
  const char *why = hz_filter_read(&filter, e->text);
  if (why == NULL) why = hz_presence_check(e->sub.as);
  if (why == NULL && paused_and_lossy(&e->sub)) why = HZ_PAUSE_OF_LOSSY;
  if (why != NULL) {
    refuse(l, e, HZ_WIRE_TOPIC, why);
    return;
  }
  if (rules->may_subscribe != NULL &&
      !rules->may_subscribe(rules->subscribe_arg, s->conn, hz_filter_text(&filter))) {
    refuse(l, e, HZ_WIRE_DENIED, "this may not be subscribed to");
    return;
  }
  struct hz_conn_hub *h = hub_of(s);
  hz_err err = h == NULL ? HZ_ENOMEM : hz_hub_subscribe(&h->base, &filter, &e->sub, &sub, &at);
  if (err != HZ_OK) {
    refuse_for(l, e, err, "too many subscriptions");
    drop_empty(s);
    return;
  }
  err = attend(s, sub, &filter, e->sub.as);
  if (err != HZ_OK) {
    refuse_for(l, e, err, "too many are on topics already");
    hz_conn_hub_drop(s, sub);
    return;
  }
  sub->id = e->id;
  sub->delivery = class_of(e->sub.delivery);
  sub->slow = slow_of(e->sub.slow);
  sub->stale_10ms = stale_of(e->sub.deadline_ms) & 16383u;
  if (e->sub.has_credit) hz_subscription_credit(sub, e->sub.credit);
  acknowledge(l, e->id, &at);
  hz_hub_begin(sub);
}

static void unsub_came(struct hz_session *s, const struct hz_envelope *e) {
  struct hz_subscription *sub = find(s, e->id);

  if (sub != NULL) hz_conn_hub_drop(s, sub); /* else it was refused, or this crossed with its end */
}

/* False: it was published already, by another connection of the session, and that has been said. */
static bool is_new(struct hz_lane *l, uint64_t id) {
  size_t len = 0;
  enum hz_known known = hz_seat_meet(l->session->seat, id, false, &len);

  if (known != HZ_KNOWN_NEW) hz_resume_answer(l, id, known, len);
  return known == HZ_KNOWN_NEW;
}

static void keep_ack(struct hz_session *s, uint64_t id, const struct hz_position *at) {
  _Alignas(struct hz_buf) uint8_t room[sizeof(struct hz_buf) + HZ_SMALL_SIZE];
  struct hz_buf *b = (struct hz_buf *)(void *)room;

  *b = (struct hz_buf){.cap = HZ_SMALL_SIZE};
  hz_err err = hz_encode_ack(b, id, at->epoch, at->offset);
  hz_seat_answered(s->seat, id, err == HZ_OK ? hz_buf_data(b) : NULL, b->len);
}

static void pub_came(struct hz_lane *l, const struct hz_envelope *e) {
  struct hz_session *s = l->session;
  struct hz_hub_node *node = s->owner->hub;
  const struct hz_hub_rules *rules = &node->hub->rules;
  struct hz_message m = {.topic = e->text, .encoded = e->encoded};
  struct hz_position at;
  const char *why = hz_topic_check(e->text);

  if (why != NULL) {
    refuse(l, e, HZ_WIRE_TOPIC, why);
    return;
  }
  if (hz_topic_reserved(e->text)) {
    refuse(l, e, HZ_WIRE_DENIED, "topics that begin with $ are the service's");
    return;
  }
  if (s->conn->early) {
    refuse(l, e, HZ_WIRE_DENIED, "what comes in early data may be a replay");
    return;
  }
  if (rules->may_publish != NULL && !rules->may_publish(rules->publish_arg, s->conn, e->text)) {
    refuse(l, e, HZ_WIRE_DENIED, "this may not be published to");
    return;
  }
  bool once = e->has_id && s->seat != NULL;
  if (once && !is_new(l, e->id)) return;
  hz_err err = hz_hub_publish(node->hub, node, &m, &at, &why);
  if (once && err == HZ_OK) keep_ack(s, e->id, &at);
  if (once && err != HZ_OK) hz_seat_forget(s->seat, e->id, 1);
  if (err != HZ_OK)
    refuse_for(l, e, err, "the event goes round in circles");
  else if (e->has_id)
    acknowledge(l, e->id, &at);
}

/* Where streams are many, these belong to the control stream, which the first of them makes so. */
static bool on_control(struct hz_lane *l) {
  struct hz_session *s = l->session;

  if (s->mux || l->use == HZ_LANE_CONTROL) return true;
  if (l->use != HZ_LANE_NEW || s->control != NULL) return false;
  l->use = HZ_LANE_CONTROL;
  s->control = l;
  return true;
}

void hz_pubsub_frame(struct hz_lane *l, const struct hz_envelope *e) {
  struct hz_session *s = l->session;

  if (s->owner->hub == NULL) {
    hz_session_error(s, l, e->has_id, e->id, HZ_WIRE_UNKNOWN_KIND,
                     "publish and subscribe are not served here");
    return;
  }
  if (!on_control(l)) {
    hz_session_fail(s, l, HZ_C_envelope_unexpected, HZ_WIRE_UNEXPECTED, HZ_EPROTO,
                    "a call's stream carries no subscriptions and nothing that is published");
    return;
  }
  if (e->has_id && e->id > s->last_id) s->last_id = e->id;
  if (e->kind == HZ_SUB)
    sub_came(l, e);
  else if (e->kind == HZ_UNSUB)
    unsub_came(s, e);
  else
    pub_came(l, e);
}

bool hz_pubsub_credit(struct hz_session *s, const struct hz_envelope *e) {
  struct hz_subscription *sub = find(s, e->id);

  if (sub != NULL) hz_subscription_credit(sub, e->credit);
  return sub != NULL;
}
