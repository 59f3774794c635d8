/* The rule, for IDs, for the kernel, and for packets that went astray. Not here: what is done with a
 * packet at its own worker (accept.c). */
#include "transports/quic/steer.h"

#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

#include "transports/quic/listener.h"

_Static_assert(sizeof(struct hz_filter_step) == sizeof(struct sock_filter),
               "the kernel's own form");

void hz_quic_steer_cid(const struct hz_share *share, uint8_t *cid) {
  if (share->count <= 1) return;
  uint32_t first = cid[0] - cid[0] % share->count + share->index;
  cid[0] = (uint8_t)(first <= UINT8_MAX ? first : first - share->count);
}

uint32_t hz_quic_steer_owner(const struct hz_share *share, const uint8_t *cid, size_t len) {
  return share->count <= 1 || len == 0 ? share->index : cid[0] % share->count;
}

uint16_t hz_quic_steer_program(uint32_t workers, struct hz_filter_step out[HZ_QUIC_STEER_STEPS]) {
  /* RFC 8999 5: the ID's bytes begin at 1 in a short header, at 6 in a long one. */
  const struct sock_filter program[HZ_QUIC_STEER_STEPS] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x80, 0, 2),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6), BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 1), BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
      BPF_STMT(BPF_RET | BPF_A, 0),
  };

  memcpy(out, program, sizeof(program));
  return HZ_QUIC_STEER_STEPS;
}

/* A packet on its way to another worker. From the C library: one thread allocates, another frees. */
struct forward {
  struct hz_post post;
  struct hz_share_end *to;
  struct hz_udp_rx rx;
  uint8_t data[];
};

static void arrived(struct hz_post *p) {
  struct forward *f = HZ_CONTAINER(p, struct forward, post);
  struct hz_listener *base = f->to->listener;

  atomic_fetch_sub_explicit(&f->to->waiting, 1, memory_order_relaxed);
  if (base != NULL) {
    hz_quic_listener_forwarded(HZ_CONTAINER(base, struct hz_quic_listener, base), &f->rx);
  }
  free(f);
}

void hz_quic_steer_forward(struct hz_quic_listener *ln, uint32_t owner, const struct hz_udp_rx *rx,
                           const uint8_t *data, size_t len) {
  struct hz_share_end *to = &ln->base.share.ends[owner];
  bool full =
      atomic_fetch_add_explicit(&to->waiting, 1, memory_order_relaxed) >= HZ_QUIC_FORWARDS_MAX;
  struct forward *f = full ? NULL : malloc(sizeof(*f) + len);

  if (f == NULL) {
    atomic_fetch_sub_explicit(&to->waiting, 1, memory_order_relaxed);
    hz_quic_note(ln, "packets_dropped", NULL);
    return;
  }
  hz_quic_note(ln, "packets_forwarded", NULL);
  f->post.fn = arrived;
  f->to = to;
  f->rx = *rx;
  memcpy(f->data, data, len);
  f->rx.data = f->data;
  f->rx.len = len;
  f->rx.segment = 0;
  to->env->ops->post(to->env, &f->post);
}
