/* Flow control of content, both ways, on both mappings; and whose turn it is on a shared stream. */
#include <string.h>

#include "core/protocol/internal.h"

void hz_outflow_init(struct hz_outflow *f, struct hz_lane *l, uint64_t id, uint64_t credit,
                     void (*resume)(struct hz_outflow *)) {
  *f = (struct hz_outflow){
      .lane = l, .id = id, .credit = credit, .quantum = HZ_QUANTUM_BYTES, .resume = resume};
}

static void wait_turn(struct hz_outflow *f) {
  if (!hz_link_in_list(&f->link)) hz_list_push(&f->lane->waiting, &f->link);
}

size_t hz_outflow_room(struct hz_outflow *f) {
  struct hz_lane *l = f->lane;
  size_t room = HZ_CHUNK_BYTES;

  if (l == NULL || l->stream == NULL || l->fin_sent || l->pending_fin) return 0;
  if (l->session->peer_frame < HZ_DATA_OVERHEAD + room) {
    /* Who takes next to nothing gets it byte by byte: no frame can be smaller. */
    room =
        l->session->peer_frame > HZ_DATA_OVERHEAD ? l->session->peer_frame - HZ_DATA_OVERHEAD : 1;
  }
  if (l->session->mux && f->credit == 0) return 0;
  if (l->blocked) {
    wait_turn(f);
    return 0;
  }
  if (f->quantum == 0) {
    wait_turn(f);
    hz_env_defer(hz_session_env(l->session), &l->pump);
    return 0;
  }
  if (l->session->mux && f->credit < room) room = (size_t)f->credit;
  return f->quantum < room ? f->quantum : room;
}

uint8_t *hz_outflow_reserve(struct hz_outflow *f, size_t *cap) {
  size_t room = hz_outflow_room(f);

  if (room == 0) return NULL;
  f->spare = hz_session_buf(f->lane->session, HZ_DATA_OVERHEAD + room + HZ_FRAME_TRAILER);
  if (f->spare == NULL) return NULL;
  /* The envelope's head is written in front of the content once its length is known. */
  f->spare->start += HZ_DATA_OVERHEAD;
  *cap = room;
  return hz_buf_data(f->spare);
}

void hz_outflow_forget(struct hz_outflow *f) {
  hz_buf_unref(f->spare);
  f->spare = NULL;
}

hz_err hz_outflow_commit(struct hz_outflow *f, size_t len) {
  _Alignas(struct hz_buf) uint8_t room[sizeof(struct hz_buf) + HZ_DATA_OVERHEAD];
  struct hz_buf *head = (struct hz_buf *)(void *)room;
  struct hz_buf *b = f->spare;

  f->spare = NULL;
  if (f->lane == NULL) {
    hz_buf_unref(b);
    return HZ_ECLOSED;
  }
  *head = (struct hz_buf){.cap = HZ_DATA_OVERHEAD};
  hz_err err = hz_encode_data_head(head, f->id, len);
  if (err != HZ_OK) {
    hz_buf_unref(b);
    return err;
  }
  b->len = (uint32_t)len;
  memcpy(hz_buf_prepend(b, head->len), hz_buf_data(head), head->len);
  if (f->lane->session->mux) f->credit -= len;
  f->quantum -= (uint32_t)len;
  return hz_lane_send(f->lane, b, false);
}

hz_err hz_outflow_write(struct hz_outflow *f, const void *data, size_t len) {
  size_t cap;
  uint8_t *at = hz_outflow_reserve(f, &cap);

  if (at == NULL) return f->lane == NULL ? HZ_ECLOSED : HZ_ENOMEM;
  if (len > cap) {
    hz_outflow_forget(f);
    return HZ_ELIMIT;
  }
  memcpy(at, data, len);
  return hz_outflow_commit(f, len);
}

void hz_outflow_end(struct hz_outflow *f, const struct hz_header *trailers, uint32_t count) {
  struct hz_lane *l = f->lane;

  if (l == NULL) return;
  /* More than the peer takes in a frame are left out: the content's end is not theirs to lose. */
  if (count > 0 && hz_res_size(trailers, count, NULL) > l->session->peer_frame) count = 0;
  if (!l->session->mux && count == 0) {
    hz_lane_fin(l);
    hz_outflow_drop(f);
    return;
  }
  struct hz_buf *b = hz_session_buf(l->session, hz_res_size(trailers, count, NULL));
  hz_err err = b == NULL ? HZ_ENOMEM : hz_encode_end(b, f->id, trailers, count);
  if (err == HZ_OK) {
    (void)hz_lane_send(l, b, !l->session->mux);
  } else {
    /* Without its end the content would look as if more came: the connection cannot go on. */
    hz_buf_unref(b);
    hz_session_close(l->session, HZ_CLOSE_INTERNAL, err, "no memory to end an answer");
  }
  hz_outflow_drop(f);
}

void hz_outflow_drop(struct hz_outflow *f) {
  hz_list_remove(&f->link);
  hz_outflow_forget(f);
  f->lane = NULL;
}

void hz_outflow_credit(struct hz_outflow *f, uint64_t n) {
  bool was_empty = f->credit == 0;

  if (f->lane == NULL) return;
  f->credit = n > UINT64_MAX - f->credit ? UINT64_MAX : f->credit + n;
  if (was_empty && n > 0) f->resume(f);
}

/* Each flow that waits gets its quantum, in turn, until the transport is full. One round a task run:
 * flows that still want more are behind the others then, and the task has been deferred again. */
void hz_lane_pump(struct hz_task *t) {
  struct hz_lane *l = HZ_CONTAINER(t, struct hz_lane, pump);
  struct hz_session *s = l->session;
  struct hz_link round;

  hz_list_init(&round);
  hz_list_splice(&round, &l->waiting);
  hz_session_enter(s);
  hz_lane_hold(l);
  while (!hz_list_empty(&round)) {
    struct hz_outflow *f = HZ_CONTAINER(hz_list_pop(&round), struct hz_outflow, link);

    f->quantum = HZ_QUANTUM_BYTES;
    if (l->blocked) {
      wait_turn(f);
    } else {
      f->resume(f);
    }
  }
  hz_lane_unhold(l);
  hz_session_leave(s);
}

void hz_inflow_init(struct hz_inflow *f, struct hz_lane *l, uint64_t id, uint64_t window) {
  *f = (struct hz_inflow){.lane = l, .id = id, .allowed = window};
}

bool hz_inflow_take(struct hz_inflow *f, size_t len) {
  if (!f->lane->session->mux) {
    f->lane->unread += len;
    return true;
  }
  if (len > f->allowed) return false;
  f->allowed -= len;
  return true;
}

static void grant(struct hz_inflow *f) {
  struct hz_session *s = f->lane->session;
  struct hz_buf *b = hz_session_buf(s, HZ_SMALL_SIZE);

  if (b == NULL) return; /* tried again with the next bytes that are taken */
  if (hz_encode_credit(b, f->id, f->returned) != HZ_OK) {
    hz_buf_unref(b);
    return;
  }
  f->allowed += f->returned;
  f->returned = 0;
  (void)hz_lane_send(f->lane, b, false);
}

void hz_inflow_consume(struct hz_inflow *f, size_t n) {
  struct hz_lane *l = f->lane;

  if (l == NULL || l->stream == NULL) return;
  if (l->session->mux) {
    f->returned += n;
    /* Half a window at a time: one CREDIT for many DATA. */
    if (f->returned >= f->allowed) grant(f);
    return;
  }
  l->unread -= n;
  hz_lane_give_back(l, 0);
}

uint32_t hz_headers_array(const struct hz_headers_view *v, struct hz_header *out, uint32_t max,
                          size_t *bytes) {
  struct hz_str name, value;
  size_t pos = 0;
  uint32_t n = 0;

  *bytes = 0;
  while (hz_headers_next(v, &pos, &name, &value)) {
    if (n < max) out[n] = (struct hz_header){name, value};
    *bytes += name.n + value.n;
    n++;
  }
  return n;
}
