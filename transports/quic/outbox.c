/* The outbox of a socket. */
#include "transports/quic/outbox.h"

#include <string.h>

#include "transports/quic/conn.h"

/* What is left of a buffer is used on when a train of this size has room; a shorter one would spare
 * memory and cost a message. */
#define ENOUGH_BYTES 16384u

/* In front of a train's packets: where they go. */
struct path {
  struct hz_addr local, peer;
};

#define ALIGN_MAX (_Alignof(struct path) - 1)
#define OVERHEAD (ALIGN_MAX + sizeof(struct path))

_Static_assert(HZ_QUIC_TRAIN_BYTES + OVERHEAD + HZ_BUF_HEADROOM + sizeof(struct hz_buf) <= 65536,
               "the largest class of the pool");

static void flush_task(struct hz_task *t) {
  struct hz_quic_outbox *o = HZ_CONTAINER(t, struct hz_quic_outbox, flush);

  if (!hz_quic_outbox_flush(o)) return;
  /* Some at a time: who was in line longest has room first. */
  for (uint32_t i = 0; i < o->most && !hz_list_empty(&o->waiting); i++) {
    hz_quic_flush_soon(HZ_CONTAINER(hz_list_pop(&o->waiting), struct hz_quic_conn, waiting));
  }
  if (!hz_list_empty(&o->waiting)) hz_env_defer_last(o->env, t);
}

hz_err hz_quic_outbox_init(struct hz_quic_outbox *o, const struct hz_net_ops *net,
                           struct hz_udp *udp, uint32_t most) {
  struct hz_alloc *alloc = udp->env->alloc;

  *o = (struct hz_quic_outbox){.net = net, .udp = udp, .env = udp->env, .most = most};
  o->flush.fn = flush_task;
  hz_list_init(&o->waiting);
  o->tx = hz_calloc(alloc, most, sizeof(*o->tx) + sizeof(*o->of));
  if (o->tx == NULL) return HZ_ENOMEM;
  o->of = (void *)(o->tx + most);
  return HZ_OK;
}

static void drop(struct hz_quic_outbox *o, const struct hz_udp_tx *tx) {
  size_t segment = tx->segment > 0 ? tx->segment : tx->len;

  hz_tally_add(&o->env->datagrams.dropped, (tx->len - tx->done + segment - 1) / segment);
}

void hz_quic_outbox_fini(struct hz_quic_outbox *o) {
  if (o->tx == NULL) return;
  (void)hz_quic_outbox_flush(o);
  for (uint32_t i = 0; i < o->count; i++) {
    drop(o, &o->tx[i]);
    hz_buf_unref(o->of[i].buf);
  }
  hz_buf_unref(o->tail);
  hz_env_undefer(&o->flush);
  hz_free(o->env->alloc, o->tx);
  *o = (struct hz_quic_outbox){0};
}

static struct path *path_in(struct hz_buf *b) {
  uintptr_t at = (uintptr_t)hz_buf_tail(b);

  return (struct path *)((at + ALIGN_MAX) & ~(uintptr_t)ALIGN_MAX);
}

static bool new_tail(struct hz_quic_outbox *o, size_t bytes) {
  hz_env_defer_last(o->env, &o->flush); /* which gives it back */
  hz_buf_unref(o->tail);
  o->tail = hz_buf_new(&o->env->pool, OVERHEAD + bytes);
  return o->tail != NULL;
}

uint8_t *hz_quic_outbox_room(struct hz_quic_outbox *o, size_t want, size_t least, size_t *len) {
  bool full = o->count == o->most || o->bytes >= HZ_QUIC_OUTBOX_BYTES;

  if (full) (void)hz_quic_outbox_flush(o);
  if (o->count == o->most || o->bytes >= HZ_QUIC_OUTBOX_BYTES) return NULL;
  if (want < least) want = least;
  if (want > HZ_QUIC_TRAIN_BYTES) want = HZ_QUIC_TRAIN_BYTES;
  size_t enough = want < ENOUGH_BYTES ? want : ENOUGH_BYTES;
  if (o->tail == NULL || hz_buf_room(o->tail) < OVERHEAD + enough) {
    /* Those that follow will want room as well. */
    bool largest = o->most > HZ_QUIC_OUTBOX_FEW && new_tail(o, HZ_QUIC_TRAIN_BYTES);
    if (!largest && !new_tail(o, want) && !new_tail(o, least)) return NULL;
  }
  uint8_t *at = (uint8_t *)(path_in(o->tail) + 1);
  size_t room = (size_t)(o->tail->mem + o->tail->cap - at);
  *len = room < want ? room : want;
  return at;
}

static void copy_addr(struct hz_addr *to, const struct hz_addr *from) {
  to->len = from->len;
  memcpy(&to->u, &from->u, from->len);
}

void hz_quic_outbox_add(struct hz_quic_outbox *o, struct hz_quic_conn *conn,
                        const struct hz_udp_tx *tx) {
  struct path *path = path_in(o->tail);
  struct hz_udp_tx *slot = &o->tx[o->count];

  *slot = *tx;
  copy_addr(&path->peer, tx->peer);
  slot->peer = &path->peer;
  if (tx->local != NULL) {
    copy_addr(&path->local, tx->local);
    slot->local = &path->local;
  }
  slot->singly = conn != NULL && conn->singly;
  o->of[o->count].buf = hz_buf_ref(o->tail);
  o->of[o->count].conn = conn;
  o->tail->len = (uint32_t)(tx->data + tx->len - hz_buf_data(o->tail));
  o->bytes += tx->len;
  o->count++;
}

void hz_quic_outbox_once(struct hz_quic_outbox *o, const struct hz_udp_tx *tx) {
  struct hz_udp_tx copy = *tx;
  size_t room;
  uint8_t *at = hz_quic_outbox_room(o, tx->len, tx->len, &room);

  if (at == NULL) {
    drop(o, tx);
    return;
  }
  memcpy(at, tx->data, tx->len);
  copy.data = at;
  hz_quic_outbox_add(o, NULL, &copy);
}

/* Takes the first `n` entries out; connections hear what was learned about the way to their peers. */
static void settle(struct hz_quic_outbox *o, uint32_t n) {
  for (uint32_t i = 0; i < o->count; i++) {
    if (o->tx[i].singly && o->of[i].conn != NULL) o->of[i].conn->singly = true;
    if (i >= n) continue;
    o->bytes -= o->tx[i].len;
    hz_buf_unref(o->of[i].buf);
  }
  o->count -= n;
  memmove(o->tx, o->tx + n, o->count * sizeof(*o->tx));
  memmove(o->of, o->of + n, o->count * sizeof(*o->of));
  if (o->count > 0) return;
  hz_buf_unref(o->tail);
  o->tail = NULL;
}

bool hz_quic_outbox_flush(struct hz_quic_outbox *o) {
  uint32_t n = 0;

  if (o->blocked) return false;
  hz_err err = o->count == 0 ? HZ_OK : o->net->udp_send(o->udp, o->tx, o->count);
  o->blocked = err == HZ_AGAIN;
  while (n < o->count && o->tx[n].done == o->tx[n].len) n++;
  for (; !o->blocked && n < o->count; n++) drop(o, &o->tx[n]); /* the socket is closed */
  settle(o, n);
  return !o->blocked;
}

void hz_quic_outbox_writable(struct hz_quic_outbox *o) {
  o->blocked = false;
  hz_env_defer_last(o->env, &o->flush);
}

void hz_quic_outbox_wait(struct hz_quic_outbox *o, struct hz_quic_conn *c) {
  if (!hz_link_in_list(&c->waiting)) hz_list_push(&o->waiting, &c->waiting);
}

void hz_quic_outbox_forget(struct hz_quic_outbox *o, struct hz_quic_conn *c) {
  hz_list_remove(&c->waiting);
  for (uint32_t i = 0; i < o->count; i++) {
    if (o->of[i].conn == c) o->of[i].conn = NULL;
  }
}
