/* Which worker has a connection, when several share a port: the first byte of its ID, modulo their
 * number. The kernel is told the rule; what reaches the wrong worker all the same is handed over.
 * Private to transports/quic; docs/workers.md. */
#ifndef TRANSPORTS_QUIC_STEER_H
#define TRANSPORTS_QUIC_STEER_H

#include "core/transport/transport.h"
#include "transports/common/net.h"

struct hz_quic_listener;

/** Packets that may wait in one worker's mailbox. */
#define HZ_QUIC_FORWARDS_MAX 1024u

/** Changes the random `cid` of at least one byte so that it leads to the worker of `share`. */
void hz_quic_steer_cid(const struct hz_share *share, uint8_t *cid);

/** The worker that packets to `cid` belong to; the own one when the ID is empty or nobody shares. */
uint32_t hz_quic_steer_owner(const struct hz_share *share, const uint8_t *cid, size_t len);

/** The rule as a classic BPF program over a UDP payload, into `out`; returns its length. The program
 * gives the number of the socket among those that share the port, in the order they were bound. */
#define HZ_QUIC_STEER_STEPS 7u
uint16_t hz_quic_steer_program(uint32_t workers, struct hz_filter_step out[HZ_QUIC_STEER_STEPS]);

/** Hands one datagram of `rx` to worker `owner`: a copy, through its mailbox. Dropped and noted when
 * that is full or memory is short. */
void hz_quic_steer_forward(struct hz_quic_listener *ln, uint32_t owner, const struct hz_udp_rx *rx,
                           const uint8_t *data, size_t len);

#endif
