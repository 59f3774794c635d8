/* What a datagram socket of the libev driver does with the kernel's answers, with a sendmmsg that says
 * what the test wants: one system call for all, trains and single datagrams, and going on exactly
 * where it stopped. Not here: real sockets (net_udp_test.c). */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/transports/ev_util.h"

#define PEERS 3u
#define SEGMENT 100u

/* In place of the C library's. */
static struct {
  int calls, messages;
  int takes; /* messages of the present call; then it fails with */
  int fails; /* this, so many times */
  int failing_calls;
  int no_trains_to;   /* port: EIO for each train that goes there */
  uint8_t seen[4096]; /* the first byte of each datagram that left */
  uint16_t port[4096];
  unsigned count, trains;
} kernel;

static size_t segment_of(struct msghdr *m) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
    uint16_t size;
    if (c->cmsg_level != IPPROTO_UDP) continue;
    memcpy(&size, CMSG_DATA(c), sizeof(size));
    return size;
  }
  return 0;
}

static void leave(struct msghdr *m, size_t segment, uint16_t port) {
  const uint8_t *data = m->msg_iov->iov_base;
  size_t len = m->msg_iov->iov_len, step = segment == 0 ? len : segment;
  for (size_t off = 0; off < len; off += step) {
    kernel.seen[kernel.count] = data[off];
    kernel.port[kernel.count++] = port;
  }
}

int sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags) {
  unsigned i;
  (void)fd;
  (void)flags;
  kernel.calls++;
  for (i = 0; i < n; i++) {
    struct msghdr *m = &msgs[i].msg_hdr;
    size_t segment = segment_of(m);
    uint16_t port = ntohs(((struct sockaddr_in *)m->msg_name)->sin_port);
    bool refuses = segment > 0 && port == kernel.no_trains_to;
    if (refuses) errno = EIO;
    if (kernel.failing_calls > 0 && (int)i >= kernel.takes) {
      refuses = true;
      errno = kernel.fails;
      if (i == 0) kernel.failing_calls--;
      kernel.takes = 0; /* an error behind messages that left is told by the next call */
    }
    if (refuses) return i == 0 ? -1 : (int)i;
    kernel.trains += segment > 0;
    leave(m, segment, port);
    msgs[i].msg_len = (unsigned)m->msg_iov->iov_len;
  }
  return (int)i;
}

struct one {
  struct ev_world w;
  struct hz_udp *udp;
  struct hz_addr peer[PEERS];
  int writables;
};

static void on_writable(struct hz_udp *u) {
  ((struct one *)u->user)->writables++;
}

static void nothing(struct hz_udp *u, const struct hz_udp_rx *rx) {
  (void)u;
  (void)rx;
}

static void one_init(struct one *o) {
  struct hz_udp proto = {.received = nothing, .writable = on_writable, .user = o};
  struct hz_endpoint ep = ev_endpoint("quic://127.0.0.1:0", HZ_TO_LISTEN);
  char why[256] = "";
  memset(o, 0, sizeof(*o));
  memset(&kernel, 0, sizeof(kernel));
  ev_world_init(&o->w);
  hz_err err =
      hz_net_of(o->w.env)->udp_open(o->w.env, &ep, false, &proto, &o->udp, NULL, why, sizeof(why));
  cr_assert_eq(err, HZ_OK, "%s", why);
  for (unsigned i = 0; i < PEERS; i++) {
    struct sockaddr_in *in = (void *)&o->peer[i].u;
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)(1000 + i))};
    o->peer[i].len = sizeof(*in);
  }
}

static void one_fini(struct one *o) {
  hz_net_of(o->w.env)->udp_close(o->udp);
  ev_world_fini(&o->w);
}

/* Entry i is for peer i % PEERS and has `datagrams`; each datagram begins with its number. */
static uint8_t bytes[64 * 1024];
static void fill(struct one *o, struct hz_udp_tx *tx, unsigned count, unsigned datagrams) {
  for (size_t i = 0; i < sizeof(bytes) / SEGMENT; i++) bytes[i * SEGMENT] = (uint8_t)i;
  for (unsigned i = 0; i < count; i++) {
    tx[i] = (struct hz_udp_tx){.peer = &o->peer[i % PEERS],
                               .data = bytes + (size_t)i * datagrams * SEGMENT,
                               .len = (size_t)datagrams * SEGMENT,
                               .segment = SEGMENT};
  }
}

static hz_err send_all(struct one *o, struct hz_udp_tx *tx, size_t count) {
  return hz_net_of(o->w.env)->udp_send(o->udp, tx, count);
}

static void all_left_in_order(unsigned datagrams) {
  cr_assert_eq(kernel.count, datagrams);
  for (unsigned i = 0; i < datagrams; i++) cr_assert_eq(kernel.seen[i], (uint8_t)i, "%u", i);
}

Test(net_udp_send, trains_of_several_peers_leave_in_one_system_call) {
  struct one o;
  struct hz_udp_tx tx[20];
  one_init(&o);
  fill(&o, tx, 20, 5);
  cr_assert_eq(send_all(&o, tx, 20), HZ_OK);
  cr_assert_eq(kernel.calls, 1);
  cr_assert_eq(kernel.trains, 20);
  all_left_in_order(100);
  cr_assert_eq(o.w.env->datagrams.sends, 1);
  cr_assert_eq(o.w.env->datagrams.packets, 100);
  one_fini(&o);
}

Test(net_udp_send, more_than_one_call_takes_leaves_in_several) {
  struct one o;
  struct hz_udp_tx tx[100];
  one_init(&o);
  fill(&o, tx, 100, 2);
  cr_assert_eq(send_all(&o, tx, 100), HZ_OK);
  cr_assert_eq(kernel.calls, 2);
  all_left_in_order(200);
  one_fini(&o);
}

/* After `takes` messages the call fails: EAGAIN and ENOBUFS in the middle and at the beginning. */
static void stops_and_goes_on(int errnum, int takes) {
  struct one o;
  struct hz_udp_tx tx[6];
  one_init(&o);
  fill(&o, tx, 6, 4);
  kernel.takes = takes;
  kernel.fails = errnum;
  kernel.failing_calls = 1;
  cr_assert_eq(send_all(&o, tx, 6), HZ_AGAIN);
  cr_assert_eq(kernel.count, (unsigned)takes * 4);
  for (int i = 0; i < 6; i++) cr_assert_eq(tx[i].done, i < takes ? tx[i].len : 0);
  cr_assert_eq(o.writables, 0);
  EV_UNTIL(o.w.env, o.writables == 1);
  int calls = kernel.calls;
  cr_assert_eq(send_all(&o, tx, 6), HZ_OK);
  cr_assert_eq(kernel.calls, calls + 1);
  all_left_in_order(24);
  cr_assert_eq(o.w.env->datagrams.full, 1);
  cr_assert_eq(o.w.env->datagrams.refused, 0);
  one_fini(&o);
}

Test(net_udp_send, a_full_socket_in_the_middle_goes_on_where_it_stopped) {
  for (int takes = 0; takes < 6; takes++) stops_and_goes_on(EAGAIN, takes);
}

Test(net_udp_send, no_memory_in_the_middle_goes_on_where_it_stopped) {
  for (int takes = 0; takes < 6; takes++) stops_and_goes_on(ENOBUFS, takes);
  stops_and_goes_on(ENOMEM, 2);
}

Test(net_udp_send, a_full_socket_in_the_middle_of_single_datagrams_goes_on_with_the_next) {
  struct one o;
  struct hz_udp_tx tx[3];
  for (int takes = 0; takes < 12; takes++) {
    one_init(&o);
    fill(&o, tx, 3, 4);
    for (int i = 0; i < 3; i++) tx[i].singly = true;
    kernel.takes = takes;
    kernel.fails = EAGAIN;
    kernel.failing_calls = 1;
    cr_assert_eq(send_all(&o, tx, 3), HZ_AGAIN);
    cr_assert_eq(tx[takes / 4].done, (size_t)(takes % 4) * SEGMENT);
    EV_UNTIL(o.w.env, o.writables == 1);
    cr_assert_eq(send_all(&o, tx, 3), HZ_OK);
    all_left_in_order(12);
    cr_assert_eq(kernel.trains, 0);
    one_fini(&o);
  }
}

/* The socket is writable all the time, so poll would call at once, for ever. */
Test(net_udp_send, no_memory_is_waited_for_without_spinning) {
  struct one o;
  struct hz_udp_tx tx[1];
  one_init(&o);
  fill(&o, tx, 1, 4);
  kernel.fails = ENOBUFS;
  kernel.failing_calls = 1;
  hz_ev_run_once(o.w.env, 0);
  hz_time asked = o.w.env->now;
  cr_assert_eq(send_all(&o, tx, 1), HZ_AGAIN);
  EV_UNTIL(o.w.env, o.writables == 1);
  cr_assert_geq(o.w.env->now - asked, HZ_MS);
  for (int i = 0; i < 5; i++) hz_ev_run_once(o.w.env, 0);
  cr_assert_eq(o.writables, 1);
  cr_assert_eq(kernel.calls, 1);
  one_fini(&o);
}

Test(net_udp_send, a_peer_that_gets_no_trains_gets_single_datagrams_and_the_others_go_on) {
  struct one o;
  struct hz_udp_tx tx[6];
  one_init(&o);
  fill(&o, tx, 6, 4);
  kernel.no_trains_to = 1001;
  cr_assert_eq(send_all(&o, tx, 6), HZ_OK);
  all_left_in_order(24);
  cr_assert_eq(kernel.trains, 4);
  for (unsigned i = 0; i < 6; i++) cr_assert_eq(tx[i].singly, i % PEERS == 1);
  kernel.calls = 0;
  kernel.count = 0;
  for (unsigned i = 0; i < 6; i++) tx[i].done = 0; /* the caller remembers: no call is wasted */
  cr_assert_eq(send_all(&o, tx, 6), HZ_OK);
  cr_assert_eq(kernel.calls, 1);
  all_left_in_order(24);
  one_fini(&o);
}

static void is_lost_alone(int errnum) {
  struct one o;
  struct hz_udp_tx tx[6];
  one_init(&o);
  fill(&o, tx, 6, 1);
  kernel.takes = 2;
  kernel.fails = errnum;
  kernel.failing_calls = 1;
  cr_assert_eq(send_all(&o, tx, 6), HZ_OK);
  cr_assert_eq(kernel.count, 5);
  for (unsigned i = 0; i < 5; i++) cr_assert_eq(kernel.seen[i], i < 2 ? i : i + 1);
  cr_assert_eq(o.w.env->datagrams.refused, 1);
  cr_assert_eq(o.w.env->datagrams.packets, 5);
  one_fini(&o);
}

Test(net_udp_send, a_datagram_that_cannot_go_is_counted_and_does_not_hold_up_the_rest) {
  is_lost_alone(EMSGSIZE);
  is_lost_alone(EHOSTUNREACH);
  is_lost_alone(EPERM);
}

Test(net_udp_send, a_signal_in_between_changes_nothing) {
  struct one o;
  struct hz_udp_tx tx[6];
  one_init(&o);
  fill(&o, tx, 6, 3);
  kernel.takes = 2;
  kernel.fails = EINTR;
  kernel.failing_calls = 2;
  cr_assert_eq(send_all(&o, tx, 6), HZ_OK);
  all_left_in_order(18);
  one_fini(&o);
}
