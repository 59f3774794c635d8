/* What the connections of one socket have ready in a turn of the loop: gathered here, and out in one
 * send at the turn's end, or as soon as a bound is met. First come, first out: the packets of a
 * connection keep their order, and so does CONNECTION_CLOSE behind them. What the socket will not take
 * yet stays as it was built and goes on where it stopped; a packet is never built again, so no packet
 * number is used twice. Not here: building packets (egress.c). Private to transports/quic. */
#ifndef TRANSPORTS_QUIC_OUTBOX_H
#define TRANSPORTS_QUIC_OUTBOX_H

#include "core/time/env.h"
#include "transports/common/net.h"

struct hz_quic_conn;

/** Trains at a time of a listener's socket, and of a client's, which has one connection. */
#define HZ_QUIC_OUTBOX_MANY 64u
#define HZ_QUIC_OUTBOX_FEW 8u
/** Bytes at a time: more would overrun the socket's buffer, and that of a peer. */
#define HZ_QUIC_OUTBOX_BYTES (256u * 1024u)
/** The largest train: under what the kernel takes in one message, and what a pool class holds. */
#define HZ_QUIC_TRAIN_BYTES 62000u

struct hz_quic_outbox {
  const struct hz_net_ops *net;
  struct hz_udp *udp;
  struct hz_env *env;
  struct hz_udp_tx *tx; /* `most` of them, `count` in use; what udp_send is given */
  struct {
    struct hz_buf *buf;        /* that the bytes and the addresses lie in */
    struct hz_quic_conn *conn; /* whose they are; NULL: nobody's, or gone */
  } * of;
  uint32_t most, count;
  size_t bytes;
  struct hz_buf *tail;    /* where the next train goes */
  struct hz_link waiting; /* hz_quic_conn.waiting: in line for room in the socket */
  struct hz_task flush;
  bool blocked; /* the socket is full: `writable` follows */
};

/** Prepares an outbox for up to `most` trains at a time on `udp`. HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_quic_outbox_init(struct hz_quic_outbox *o, const struct hz_net_ops *net,
                                       struct hz_udp *udp, uint32_t most);

/** Sends what can be sent now; the rest is dropped, and counted. Before the socket is closed. An outbox
 * that was zeroed and never prepared is left alone. */
void hz_quic_outbox_fini(struct hz_quic_outbox *o);

/** Room for a train: `want` bytes, or `least` when memory is short. `*len`: how many there are. NULL:
 * no memory, or the socket is full and so is the outbox. Stands until the next call of a function here. */
uint8_t *hz_quic_outbox_room(struct hz_quic_outbox *o, size_t want, size_t least, size_t *len);

/** Takes in the train that was built where hz_quic_outbox_room() said: tx->data is that, `peer` and
 * `local` are copied. `conn` (may be NULL) hears when no trains go to its peer: conn->singly. */
void hz_quic_outbox_add(struct hz_quic_outbox *o, struct hz_quic_conn *conn,
                        const struct hz_udp_tx *tx);

/** A copy of one packet that nobody keeps (answers without state, CONNECTION_CLOSE): whoever waits for
 * it asks again. Dropped and counted when there is no room. */
void hz_quic_outbox_once(struct hz_quic_outbox *o, const struct hz_udp_tx *tx);

/** Sends what waits. False: the socket is full. */
bool hz_quic_outbox_flush(struct hz_quic_outbox *o);

/** The socket takes datagrams again: hz_udp.writable. */
void hz_quic_outbox_writable(struct hz_quic_outbox *o);

/** `c` is flushed again when there is room. */
void hz_quic_outbox_wait(struct hz_quic_outbox *o, struct hz_quic_conn *c);

/** `c` goes; its packets leave all the same. */
void hz_quic_outbox_forget(struct hz_quic_outbox *o, struct hz_quic_conn *c);

#endif
