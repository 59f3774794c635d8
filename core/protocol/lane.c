/* A lane: one stream as a sequence of frames, in and out. Not here: what frames mean (session.c). */
#include <stdio.h>

#include "core/protocol/internal.h"

/* Room of a buffer for many frames: an object of the 4 KiB class. */
#define HZ_GATHER_ROOM (4096u - (unsigned)sizeof(struct hz_buf) - HZ_BUF_HEADROOM)

struct hz_lane *hz_lane_new(struct hz_session *s, struct hz_stream *stream, enum hz_lane_use use) {
  struct hz_env *env = hz_session_env(s);
  struct hz_lane *l = hz_cache_get(s->owner->lanes);

  if (l == NULL) {
    HZ_COUNT(s->owner->counters, no_memory);
    return NULL;
  }
  l->session = s;
  l->stream = stream;
  l->use = use;
  l->refs = 1;
  l->pump.fn = hz_lane_pump;
  hz_list_init(&l->waiting);
  hz_bufq_init(&l->pending, env->alloc, s->owner->limits->send_high_bytes,
               s->owner->limits->send_low_bytes);
  hz_frame_parser_init(&l->parser, &env->pool, s->owner->limits->frame_bytes);
  stream->user = l;
  return l;
}

void hz_lane_free(struct hz_lane *l) {
  struct hz_env *env = hz_session_env(l->session);

  hz_wheel_cancel(&env->wheel, &l->frame_timer);
  hz_env_undefer(&l->pump);
  hz_frame_parser_reset(&l->parser);
  hz_buf_unref(l->held);
  hz_bufq_fini(&l->pending);
  hz_cache_put(l->session->owner->lanes, l);
}

void hz_lane_closed(struct hz_lane *l) {
  struct hz_session *s = l->session;
  struct hz_env *env = hz_session_env(s);

  l->stream->user = NULL;
  l->stream = NULL;
  hz_wheel_cancel(&env->wheel, &l->frame_timer);
  hz_env_undefer(&l->pump);
  while (!hz_list_empty(&l->waiting)) {
    HZ_CONTAINER(hz_list_pop(&l->waiting), struct hz_outflow, link)->lane = NULL;
  }
  if (s->control == l) s->control = NULL;
  hz_lane_unhold(l);
}

/* The peer gets no more credit while it does not read what it asked for, or while the call has more
 * than half a window that it has not taken. What is held then is bounded by that, the stream's window
 * and one frame. */
static bool stalled(const struct hz_lane *l) {
  return l->blocked || l->unread > l->session->owner->limits->call_credit_bytes / 2;
}

static void frame_late(struct hz_wheel_timer *t, hz_time now) {
  struct hz_lane *l = HZ_CONTAINER(t, struct hz_lane, frame_timer);

  (void)now;
  if (stalled(l)) return; /* watched again when it reads on */
  hz_session_fail(l->session, l, HZ_C_frame_timeout, HZ_WIRE_IDLE, HZ_ETIMEOUT,
                  "a frame was begun and not finished in time");
}

/* The rest of a frame has to come in time, but not while it cannot, because this side does not read. */
static void watch_frame(struct hz_lane *l) {
  struct hz_env *env = hz_session_env(l->session);

  if (!hz_frame_parser_busy(&l->parser) || stalled(l)) {
    hz_wheel_cancel(&env->wheel, &l->frame_timer);
  } else if (!hz_wheel_armed(&l->frame_timer)) {
    hz_wheel_set(&env->wheel, &l->frame_timer,
                 env->now + l->session->owner->limits->frame_timeout_ns, frame_late);
  }
}

void hz_lane_give_back(struct hz_lane *l, size_t n) {
  l->owed += n;
  if (l->stream == NULL || l->session->conn == NULL) return;
  watch_frame(l);
  if (l->owed == 0 || l->session->failing || stalled(l)) return;
  n = l->owed;
  l->owed = 0;
  l->session->conn->ops->stream_consume(l->stream, n);
}

static void parse_failed(struct hz_lane *l, hz_err err) {
  struct hz_session *s = l->session;
  char text[96];

  switch (err) {
    case HZ_EMAGIC:
      hz_session_fail(s, l, HZ_C_frame_magic, HZ_WIRE_BAD_FRAME, err,
                      "the bytes do not begin with a frame's magic CA FE");
      break;
    case HZ_EVERSION:
      (void)snprintf(text, sizeof(text), "frame version %u is not spoken here; accepted: %u",
                     l->parser.bad_version, HZ_FRAME_VERSION);
      hz_session_fail(s, l, HZ_C_frame_version, HZ_WIRE_VERSION, err, text);
      break;
    case HZ_ETOOBIG:
      (void)snprintf(text, sizeof(text), "a frame of length %u is over the limit of %u",
                     l->parser.bad_length, l->parser.max_length);
      hz_session_fail(s, l, HZ_C_frame_too_big, HZ_WIRE_TOO_LARGE, err, text);
      break;
    case HZ_ENOMEM:
      hz_session_fail(s, l, HZ_C_no_memory, HZ_WIRE_INTERNAL, err, "memory is short");
      break;
    case HZ_ECHECKSUM:
      hz_session_fail(s, l, HZ_C_frame_bad, HZ_WIRE_BAD_FRAME, err, "a frame's checksum is wrong");
      break;
    default:
      hz_session_fail(s, l, HZ_C_frame_bad, HZ_WIRE_BAD_FRAME, err,
                      "a frame's flags or length are impossible");
      break;
  }
}

static void ended(struct hz_lane *l) {
  struct hz_session *s = l->session;

  if (hz_frame_parser_busy(&l->parser)) {
    hz_session_fail(s, l, HZ_C_frame_bad, HZ_WIRE_BAD_FRAME, HZ_ETRUNC,
                    "the stream ends inside a frame");
    return;
  }
  if (l->use == HZ_LANE_SERVED) {
    hz_serve_fin(l);
  } else if (l->use == HZ_LANE_INVOKED) {
    hz_invoke_fin(l);
  } else if (!s->mux) {
    if (l->stream->dir == HZ_BIDI) hz_lane_fin(l);
  } else if (s->inflight == 0 || s->peer_error != NULL) {
    /* Who ended by an error waits for no answer. */
    hz_session_close(s, HZ_CLOSE_NONE, HZ_OK, "the peer is done");
  } else if (s->conn->role == HZ_CLIENT) {
    /* No answer can come any more, and the socket itself has nothing more to say. */
    hz_session_close(s, HZ_CLOSE_NONE, HZ_ECLOSED, "the server ended the connection");
  } else {
    hz_session_drain(s, 0); /* answers that are under way still leave */
  }
}

/* What the peer asks for has piled up in front of it: nothing more is taken on before it reads. */
static bool choked(const struct hz_lane *l) {
  return l->pending.bytes >= l->session->owner->limits->send_high_bytes;
}

static bool alive(const struct hz_lane *l) {
  return !l->session->failing && l->stream != NULL;
}

/* Takes frames as long as there are any and their answers find room; returns how many bytes that
 * were. */
static size_t take_frames(struct hz_lane *l, const uint8_t *data, size_t len) {
  struct hz_session *s = l->session;
  size_t left = len;
  bool within = l->gathering;

  l->gathering = s->mux;
  while (alive(l) && !choked(l)) {
    struct hz_frame f;
    hz_err err = hz_frame_parse(&l->parser, &data, &left, &f);

    if (err == HZ_AGAIN) break;
    if (err != HZ_OK) {
      parse_failed(l, err);
      break;
    }
    /* A new frame restarts the clock. */
    hz_wheel_cancel(&hz_session_env(s)->wheel, &l->frame_timer);
    HZ_COUNT(s->owner->counters, frames_in);
    hz_session_frame(l, &f);
    l->begun = true;
  }
  l->gathering = within;
  if (!within) hz_lane_push_out(l);
  return len - left;
}

/* Keeps bytes whose turn has not come. Their credit has not been returned: the window bounds them. */
static void keep(struct hz_lane *l, const uint8_t *data, size_t len) {
  bool kept = true;

  if (l->held == NULL) {
    l->held = hz_buf_copy(&hz_session_env(l->session)->pool, data, len);
    kept = l->held != NULL;
  } else {
    kept = hz_buf_reserve(&l->held, len) == HZ_OK && hz_buf_append(l->held, data, len) == HZ_OK;
  }
  if (!kept) parse_failed(l, HZ_ENOMEM);
}

void hz_lane_data(struct hz_lane *l, const uint8_t *data, size_t len, bool fin) {
  hz_lane_hold(l);
  size_t used = l->held != NULL ? 0 : take_frames(l, data, len);
  if (alive(l)) hz_lane_give_back(l, used);
  if (alive(l) && (used < len || (fin && choked(l)))) {
    keep(l, data + used, len - used);
    l->held_fin = fin;
  } else if (alive(l) && fin) {
    ended(l);
  }
  hz_lane_unhold(l);
}

/* Goes on with what was kept. */
static void take_kept(struct hz_lane *l) {
  struct hz_buf *b = l->held;

  if (b == NULL || choked(l)) return;
  l->held = NULL;
  size_t used = take_frames(l, hz_buf_data(b), b->len);
  if (alive(l)) hz_lane_give_back(l, used);
  if (alive(l) && (used < b->len || (l->held_fin && choked(l)))) {
    b->start += (uint32_t)used;
    b->len -= (uint32_t)used;
    l->held = b;
    return;
  }
  hz_buf_unref(b);
  if (alive(l) && l->held_fin) ended(l);
}

static void frame_lost(struct hz_lane *l) {
  hz_session_close(l->session, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "memory is short: a frame was lost");
}

/* Hands over what waits; true when nothing waits any more. */
static bool flush(struct hz_lane *l) {
  const struct hz_transport_ops *ops = l->session->conn->ops;

  while (l->pending.count > 0) {
    struct hz_buf *b = hz_bufq_take(&l->pending);
    bool fin = l->pending_fin && l->pending.count == 0;
    hz_err err = ops->stream_send(l->stream, b, fin);

    if (err == HZ_AGAIN) {
      hz_bufq_put_back(&l->pending, b);
      return false;
    }
    if (err != HZ_OK) hz_buf_unref(b);
    if (l->stream == NULL) return true;
    if (err == HZ_ENOMEM) frame_lost(l);
    if (fin && err == HZ_OK) l->fin_sent = true;
  }
  if (l->pending_fin && !l->fin_sent) {
    if (ops->stream_send(l->stream, NULL, true) == HZ_AGAIN) return false;
    l->fin_sent = true;
  }
  l->pending_fin = false;
  return true;
}

void hz_lane_writable(struct hz_lane *l) {
  hz_lane_hold(l);
  if (l->stream != NULL && flush(l) && l->stream != NULL) {
    l->blocked = false;
    hz_wheel_cancel(&hz_session_env(l->session)->wheel, &l->frame_timer); /* begins anew */
    hz_lane_give_back(l, 0);
    take_kept(l);
    if (l->stream != NULL && !hz_list_empty(&l->waiting)) hz_lane_pump(&l->pump);
    if (!l->blocked && l->session->hub != NULL) hz_event_lane_writable(l);
  }
  hz_lane_unhold(l);
}

void hz_lane_push_out(struct hz_lane *l) {
  if (l->blocked || l->pending.count == 0) return;
  if (l->stream == NULL || l->session->conn == NULL || flush(l)) return;
  HZ_COUNT(l->session->owner->counters, send_full);
  l->blocked = true;
}

static bool may_send(const struct hz_lane *l) {
  return l->stream != NULL && !l->fin_sent && !l->pending_fin && l->session->conn != NULL;
}

static uint8_t frame_flags(const struct hz_session *s) {
  return s->checksum ? HZ_FRAME_CRC : 0;
}

static void frame_leaves(struct hz_session *s) {
  HZ_COUNT(s->owner->counters, frames_out);
  s->said = hz_session_env(s)->now;
}

/* What is gathered leaves when it is enough, or more than the transport would keep. */
static void bound_gathered(struct hz_lane *l) {
  if (l->gathering && (l->pending.bytes >= HZ_GATHER_BYTES || choked(l))) hz_lane_push_out(l);
}

/* Takes the reference to sealed frames always. */
static hz_err hand_over(struct hz_lane *l, struct hz_buf *b, bool fin) {
  struct hz_session *s = l->session;
  hz_err err;

  if (!l->blocked && !l->gathering) {
    err = s->conn->ops->stream_send(l->stream, b, fin);
    if (err == HZ_OK) {
      l->fin_sent |= fin;
      return HZ_OK;
    }
    if (err != HZ_AGAIN) goto drop;
    HZ_COUNT(s->owner->counters, send_full);
    l->blocked = true;
  }
  err = hz_bufq_push_forced(&l->pending, b);
  if (err != HZ_OK) goto drop;
  l->pending_fin |= fin;
  bound_gathered(l);
  return HZ_OK;
drop:
  hz_buf_unref(b);
  if (err == HZ_ENOMEM) frame_lost(l);
  return err;
}

hz_err hz_lane_send(struct hz_lane *l, struct hz_buf *b, bool fin) {
  hz_err err = may_send(l) ? hz_frame_seal(b, frame_flags(l->session)) : HZ_ECLOSED;

  if (err != HZ_OK) {
    hz_buf_unref(b);
    return err;
  }
  frame_leaves(l->session);
  return hand_over(l, b, fin);
}

hz_err hz_lane_send_sealed(struct hz_lane *l, struct hz_buf *b, bool fin) {
  if (!may_send(l)) {
    hz_buf_unref(b);
    return HZ_ECLOSED;
  }
  l->session->said = hz_session_env(l->session)->now;
  return hand_over(l, b, fin);
}

hz_err hz_lane_reserve(struct hz_lane *l, size_t size, struct hz_place *p) {
  bool more = l->gathering && l->pending.count > 0;

  if (!may_send(l)) return HZ_ECLOSED;
  if (more) {
    struct hz_buf *last = hz_bufq_last(&l->pending);

    if (last->refs == 1 && hz_buf_room(last) >= HZ_FRAME_HEADER + size) {
      *p = (struct hz_place){last, last->len};
      last->len += HZ_FRAME_HEADER;
      return HZ_OK;
    }
    /* Where two have come more may: a buffer for many. */
    if (size < HZ_GATHER_ROOM) size = HZ_GATHER_ROOM;
  }
  *p = (struct hz_place){hz_session_buf(l->session, size), 0};
  if (p->b == NULL) return HZ_ENOMEM;
  (void)hz_buf_prepend(p->b, HZ_FRAME_HEADER);
  return HZ_OK;
}

hz_err hz_lane_commit(struct hz_lane *l, const struct hz_place *p, hz_err err, bool fin) {
  if (err == HZ_OK) err = hz_frame_seal_at(p->b, p->at, frame_flags(l->session));
  if (err != HZ_OK && p->at == 0) hz_buf_unref(p->b);
  if (err != HZ_OK && p->at != 0) p->b->len = p->at;
  if (err != HZ_OK) return err;
  frame_leaves(l->session);
  if (p->at == 0) return hand_over(l, p->b, fin);
  hz_bufq_grew(&l->pending, p->b->len - p->at);
  l->pending_fin |= fin;
  bound_gathered(l);
  return HZ_OK;
}

void hz_lane_fin(struct hz_lane *l) {
  if (l->stream == NULL || l->fin_sent || l->pending_fin || l->session->conn == NULL) return;
  if (l->gathering && !l->blocked) {
    l->pending_fin = true; /* hz_lane_push_out() is about to see to it */
    return;
  }
  if (l->blocked || l->session->conn->ops->stream_send(l->stream, NULL, true) == HZ_AGAIN) {
    l->blocked = true;
    l->pending_fin = true;
    return;
  }
  l->fin_sent = true;
}

void hz_lane_stop(struct hz_lane *l, uint32_t code) {
  struct hz_conn *conn = l->session->conn;

  if (conn == NULL || l->stream == NULL || l->stream->recv_done || l->stopped) return;
  if ((conn->caps & HZ_CAP_RESET) == 0) return;
  l->stopped = true;
  conn->ops->stream_stop(l->stream, code);
}

void hz_lane_abandon(struct hz_lane *l, uint32_t code) {
  struct hz_conn *conn = l->session->conn;

  if (conn == NULL || (conn->caps & HZ_CAP_RESET) == 0) return;
  hz_lane_hold(l);
  hz_lane_stop(l, code);
  if (l->stream != NULL && !l->fin_sent) {
    l->fin_sent = true;
    conn->ops->stream_reset(l->stream, code);
  }
  hz_lane_unhold(l);
}
