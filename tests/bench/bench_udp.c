/* What a UDP packet of 1,350 bytes costs from one socket of the loopback to another, sent and
 * received by the same thread: in a system call of its own, many in one (sendmmsg), as one train
 * that the kernel cuts and puts together again (GSO, GRO), and trains in one call. QUIC's own work
 * is not in it. */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/micro.h"

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* A train is what one IP packet's length field can hold; a burst, what a socket's default buffer
 * can. */
enum { PACKET = 1350, TRAIN = 40, TRAINS = 4, ROUND = TRAIN * TRAINS * 400, ALIKE = 65536 };

static int out, in;
static uint8_t bytes[PACKET * TRAIN];
static uint8_t got[TRAINS][ALIKE];
static bool trains_work;

static int udp_socket(struct sockaddr_in *name) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 1 << 20;
  socklen_t len = sizeof(*name);
  *name = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  MICRO_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)name, len) == 0);
  MICRO_CHECK(getsockname(fd, (struct sockaddr *)name, &len) == 0);
  MICRO_CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) == 0);
  return fd;
}

static bool set(int fd, int option, int value) {
  return setsockopt(fd, SOL_UDP, option, &value, sizeof(value)) == 0;
}

static void one_by_one(uint64_t ops) {
  for (uint64_t done = 0; done < ops; done += TRAIN) {
    for (int i = 0; i < TRAIN; i++) MICRO_CHECK(send(out, bytes, PACKET, 0) == PACKET);
    for (int i = 0; i < TRAIN; i++) MICRO_CHECK(recv(in, got[0], ALIKE, 0) == PACKET);
  }
}

/* `calls` messages of `len` bytes in one call, and as many back. */
static void many(uint64_t ops, unsigned calls, size_t len) {
  struct mmsghdr to[TRAIN], from[TRAIN];
  struct iovec to_iov = {bytes, len}, from_iov[TRAIN];
  memset(to, 0, sizeof(to));
  memset(from, 0, sizeof(from));
  for (unsigned i = 0; i < calls; i++) {
    from_iov[i] = (struct iovec){got[i % TRAINS], ALIKE};
    to[i].msg_hdr = (struct msghdr){.msg_iov = &to_iov, .msg_iovlen = 1};
    from[i].msg_hdr = (struct msghdr){.msg_iov = &from_iov[i], .msg_iovlen = 1};
  }
  for (uint64_t done = 0; done < ops; done += calls * len / PACKET) {
    MICRO_CHECK(sendmmsg(out, to, calls, 0) == (int)calls);
    for (unsigned n = 0; n < calls;) {
      int have = recvmmsg(in, from, calls - n, 0, NULL);
      MICRO_CHECK(have > 0 && from[0].msg_len == len);
      n += (unsigned)have;
    }
  }
}

static void many_packets(uint64_t ops) {
  many(ops, TRAIN, PACKET);
}

static void train(uint64_t ops) {
  for (uint64_t done = 0; done < ops; done += TRAIN) {
    MICRO_CHECK(send(out, bytes, sizeof(bytes), 0) == sizeof(bytes));
    MICRO_CHECK(recv(in, got[0], ALIKE, 0) == sizeof(bytes));
  }
}

static void many_trains(uint64_t ops) {
  many(ops, TRAINS, sizeof(bytes));
}

static void by_packet(uint64_t ops) {
  (void)ops;
  (void)set(out, UDP_SEGMENT, 0);
  (void)set(in, UDP_GRO, 0);
}

static void by_train(uint64_t ops) {
  (void)ops;
  MICRO_CHECK(set(out, UDP_SEGMENT, PACKET) && set(in, UDP_GRO, 1));
}

int main(int argc, char **argv) {
  struct sockaddr_in name, unused;
  in = udp_socket(&name);
  out = udp_socket(&unused);
  MICRO_CHECK(connect(out, (struct sockaddr *)&name, sizeof(name)) == 0);
  trains_work = set(out, UDP_SEGMENT, PACKET) && set(in, UDP_GRO, 1);

  static const struct micro_path all[] = {
      {"udp/one", ROUND, 0, by_packet, one_by_one, 0},
      {"udp/sendmmsg", ROUND, 0, by_packet, many_packets, 0},
      {"udp/gso", ROUND, 0, by_train, train, 0},
      {"udp/gso_sendmmsg", ROUND, 0, by_train, many_trains, 0},
  };
  if (!trains_work) fprintf(stderr, "no GSO or GRO here (Linux 5.0): only what needs neither\n");
  int rc = micro_main(argc, argv, all, trains_work ? 4 : 2);
  close(in);
  close(out);
  return rc;
}
