/* Events where a peer takes streams of the server's: one a subscription, one an event, or datagrams; and what
 * a client makes of datagrams. Not here: one stream for all (pubsub.c).
 *
 * A subscription that is full is parked: others go on, for each has a stream of its own. */
#include "core/protocol/internal.h"

/* Stands for the control stream in the map of lanes: there was no stream to be had for the first event,
 * and events of one subscription keep to one stream. */
static char on_control;

static struct hz_session *session_of(struct hz_conn_hub *h) {
  return h->conn->user; /* where streams are many, sessions do not rest */
}

/* NULL: not now. */
static struct hz_lane *open_lane(struct hz_conn_hub *h, hz_err *err) {
  struct hz_conn *conn = h->conn;
  struct hz_stream *stream;

  *err = conn->ops->stream_open(conn, HZ_UNI, &stream);
  if (*err != HZ_OK) return NULL;
  struct hz_lane *l = hz_lane_new(session_of(h), stream, HZ_LANE_EVENTS);
  if (l != NULL) return l;
  *err = HZ_ENOMEM;
  conn->ops->stream_reset(stream, HZ_CANCEL_INTERNAL);
  return NULL;
}

/* ---- in order: a stream a subscription ---- */

static struct hz_idmap *lanes_of(struct hz_conn_hub *h) {
  if (h->lanes != NULL) return h->lanes;
  h->lanes = hz_slab_get(&h->conn->env->objects, sizeof(*h->lanes));
  if (h->lanes != NULL) hz_idmap_init(h->lanes, h->conn->env->alloc);
  return h->lanes;
}

static struct hz_lane *begin_lane(struct hz_conn_hub *h, struct hz_subscription *sub) {
  struct hz_idmap *lanes = lanes_of(h);
  hz_err err = HZ_ENOMEM;
  struct hz_lane *l = lanes == NULL ? NULL : open_lane(h, &err);

  if (lanes == NULL || err == HZ_ECLOSED) return NULL;
  if (hz_idmap_put(lanes, sub->id, l != NULL ? (void *)l : (void *)&on_control) != HZ_OK) {
    if (l != NULL) hz_lane_abandon(l, HZ_CANCEL_INTERNAL);
    return NULL;
  }
  if (l == NULL) return session_of(h)->control;
  l->call = sub;
  hz_lane_hold(l);
  return l;
}

static struct hz_lane *lane_of(struct hz_conn_hub *h, struct hz_subscription *sub) {
  void *found = h->lanes == NULL ? NULL : hz_idmap_get(h->lanes, sub->id);

  if (found == NULL) return begin_lane(h, sub);
  return found == &on_control ? session_of(h)->control : found;
}

void hz_event_lane_end(struct hz_conn_hub *h, struct hz_subscription *sub) {
  void *found = h->lanes == NULL ? NULL : hz_idmap_remove(h->lanes, sub->id);
  struct hz_lane *l = found;

  if (found == NULL || found == &on_control) return;
  l->call = NULL;
  hz_lane_fin(l);
  hz_lane_unhold(l);
}

/* Its reader does not want it, or the connection goes. */
void hz_event_lane_lost(struct hz_lane *l) {
  struct hz_subscription *sub = l->call;
  struct hz_session *s = l->session;

  if (sub == NULL || s->hub == NULL) return;
  (void)hz_idmap_remove(s->hub->lanes, sub->id);
  l->call = NULL;
  hz_lane_unhold(l);
  hz_hub_unsubscribe(sub); /* `s->hub` stays: it may be sending just now */
}

static void send_parts(struct hz_lane *l, struct hz_event_parts *o, bool fin) {
  struct hz_buf *b;
  hz_err err = HZ_OK;

  hz_lane_hold(l);
  while ((b = hz_event_parts_next(o)) != NULL) {
    if (err == HZ_OK)
      err = hz_lane_send_sealed(l, b, fin && !hz_event_parts_left(o));
    else
      hz_buf_unref(b);
  }
  hz_lane_unhold(l);
}

/* False: parked until the stream takes more. */
static bool send_in_order(struct hz_conn_hub *h, struct hz_subscription *sub) {
  struct hz_lane *l = lane_of(h, sub);
  struct hz_event_parts parts;
  struct hz_pulled p;

  if (l == NULL || l->blocked) return false;
  if (!hz_event_parts_new(h, sub, h->base.bytes, &parts)) return false;
  while (hz_event_parts_take(&parts, hz_subscription_next_size(sub))) {
    if (!hz_subscription_pull(sub, &p)) break;
    hz_pulled_write(h, &parts, &p);
  }
  send_parts(l, &parts, false);
  return true;
}

/* ---- each by itself ---- */

static void stale(struct hz_wheel_timer *t, hz_time now) {
  struct hz_lane *l = HZ_CONTAINER(t, struct hz_lane, frame_timer);

  struct hz_conn *conn = l->session->conn;

  (void)now;
  if (conn == NULL || l->stream == NULL) return;
  HZ_COUNT(l->session->owner->counters, events_stale);
  /* Its end was said, but has not left, or nobody has told that it came. */
  conn->ops->stream_reset(l->stream, HZ_CANCEL_DEADLINE);
}

/* What is pulled next. False: not now. */
static bool take_one(struct hz_conn_hub *h, struct hz_subscription *sub,
                     struct hz_event_parts *out) {
  struct hz_pulled p;

  if (!hz_event_parts_new(h, sub, 0, out)) return false;
  if (hz_subscription_pull(sub, &p)) hz_pulled_write(h, out, &p);
  return true;
}

static bool send_apart(struct hz_conn_hub *h, struct hz_subscription *sub) {
  struct hz_env *env = h->conn->env;
  struct hz_event_parts parts;
  hz_err err;
  struct hz_lane *l = open_lane(h, &err);

  if (l == NULL) return false;
  if (!take_one(h, sub, &parts)) {
    hz_lane_abandon(l, HZ_CANCEL_INTERNAL);
    return false;
  }
  if (sub->stale_10ms > 0) {
    hz_wheel_set(&env->wheel, &l->frame_timer, env->now + sub->stale_10ms * (10 * HZ_MS), stale);
  }
  send_parts(l, &parts, true);
  return true;
}

static bool send_datagram(struct hz_conn_hub *h, struct hz_subscription *sub) {
  const struct hz_transport_ops *ops = h->conn->ops;
  size_t most = (h->conn->caps & HZ_CAP_DATAGRAM) == 0 ? 0 : ops->datagram_max(h->conn);
  size_t size = hz_subscription_next_size(sub);
  struct hz_event_parts parts;

  if (size > most || size > HZ_EVENT_SHARED_BYTES) return send_apart(h, sub);
  if (!take_one(h, sub, &parts)) return false;
  struct hz_buf *b = parts.b;                    /* all of it */
  if (ops->datagram_send(h->conn, b) != HZ_OK) { /* as if it had been lost on the way */
    HZ_COUNT(h->base.node->counters, events_dropped);
    hz_buf_unref(b);
  }
  return true;
}

/* ---- all of a connection's ---- */

static void flush(struct hz_subscriber *base) {
  struct hz_conn_hub *h = HZ_CONTAINER(base, struct hz_conn_hub, base);
  struct hz_subscription *sub;

  while (!h->conn->closing && (sub = hz_subscriber_first(base)) != NULL) {
    bool more;

    switch (sub->delivery) {
      case HZ_CLASS_STREAM: more = send_apart(h, sub); break;
      case HZ_CLASS_DATAGRAM: more = send_datagram(h, sub); break;
      default: more = send_in_order(h, sub); break;
    }
    if (hz_link_in_list(&base->dirty)) return; /* memory is short: later */
    if (!more) hz_subscription_park(sub);
  }
}

const struct hz_subscriber_ops hz_event_stream_ops = {.flush = flush,
                                                      .overrun = hz_conn_hub_overrun};

void hz_conn_hub_go_on(struct hz_conn_hub *h) {
  for (struct hz_subscription *sub = h->base.subs; sub != NULL; sub = sub->next) {
    hz_subscription_go_on(sub);
  }
}

void hz_event_lane_writable(struct hz_lane *l) {
  struct hz_session *s = l->session;

  if (s->mux)
    hz_subscriber_go_on(&s->hub->base);
  else if (l->use == HZ_LANE_EVENTS && l->call != NULL)
    hz_subscription_go_on(l->call);
  else if (l == s->control)
    hz_conn_hub_go_on(s->hub);
}

/* ---- client ---- */

bool hz_event_datagram(struct hz_session *s, const uint8_t *data, size_t len) {
  struct hz_frame_parser parser;
  struct hz_envelope e;
  struct hz_frame f;
  bool taken = false;

  hz_frame_parser_init(&parser, &hz_session_env(s)->pool, s->owner->limits->frame_bytes);
  while (hz_frame_parse(&parser, &data, &len, &f) == HZ_OK) {
    HZ_COUNT(s->owner->counters, frames_in);
    if (hz_envelope_parse(f.body, f.body_len, &e) != HZ_OK) break;
    if (e.kind != HZ_EVENT && e.kind != HZ_GAP) break;
    taken = s->owner->topic(s, &e);
  }
  hz_frame_parser_reset(&parser);
  return taken;
}
