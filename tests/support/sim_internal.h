/* What the parts of the simulator share. Tests include sim_net.h only. */
#ifndef TESTS_SUPPORT_SIM_INTERNAL_H
#define TESTS_SUPPORT_SIM_INTERNAL_H

#include <netinet/in.h>

#include "tests/support/sim_net.h"

struct sim_ip {
  int family; /* AF_INET, AF_INET6; 0: none */
  uint8_t bytes[16];
};
struct sim_addr {
  struct sim_ip ip;
  uint16_t port;
};

/* One direction between two addresses: its conditions and what they need to remember. */
struct sim_pair {
  struct sim_link link; /* first: handed out to tests */
  struct sim_ip from, to;
  hz_time busy_until;   /* of the rate limit */
  hz_time last_arrival; /* nothing that is not reordered comes before */
  uint32_t burst_left;
};

struct sim_event;
typedef void sim_event_fn(struct sim *, struct sim_event *);

/* Something that will happen: in the turn of `host`, or outside of any. */
struct sim_event {
  hz_time at;
  uint64_t seq; /* orders what happens at the same time */
  struct sim_host *host;
  sim_event_fn *fn; /* NULL: a turn without anything else */
  union {
    struct {
      void (*fn)(struct sim *, void *arg);
      void *arg;
    } call;
    struct hz_post *post;
    struct {
      struct sim_pair *pair;
      struct sim_addr from, to;
      uint8_t ecn;
    } udp;
    struct {
      struct sim_pipe *pipe;
      int side; /* that something reaches */
    } stream;
  } u;
  size_t len;
  uint8_t data[];
};

struct sim_host {
  struct hz_env env;
  struct sim *sim;
  struct fault_alloc alloc;
  struct hz_rng rng;
  struct sim_ip ip;
  uint64_t wake_seq; /* the event that is this host's next wake-up; older ones are stale */
  hz_time stalled_until;
  int64_t wall_step_ns;
  struct hz_link udps;      /* sim_udp.link */
  struct hz_link dead_udps; /* closed in this turn: freed when nobody is on the stack any more */
  struct hz_link acceptors; /* sim_acceptor.link */
  struct hz_link dialled;   /* sim_pipe.of_host, oldest first */
  uint16_t next_port;
  bool unplugged;
};

#define SIM_HOSTS_MAX 64
#define SIM_GRO_BYTES 65535u

/* Datagrams from one peer that reach one socket in the same instant are handed over in one piece.
 */
struct sim_gro {
  struct sim_udp *udp;
  struct sim_addr from;
  uint8_t ecn;
  size_t len, segment;
  bool closed; /* a shorter one came: it is the last */
  uint8_t data[SIM_GRO_BYTES];
};

struct sim {
  hz_time now;
  uint64_t seed, hash, shape, seq;
  struct hz_rng rng;
  const char *name;
  struct sim_event **heap;
  uint32_t events, events_cap;
  struct sim_host *hosts[SIM_HOSTS_MAX];
  uint32_t host_count;
  struct sim_pair **pairs;
  uint32_t pair_count, pairs_cap;
  struct sim_link initial;
  bool (*tap)(struct sim *, const struct sim_datagram *, void *arg);
  void *tap_arg;
  struct hz_link pipes; /* sim_pipe.link */
  struct sim_gro gro;
};

/* sim_core.c */
static inline struct sim_host *sim_host_of(struct hz_env *e) {
  return HZ_CONTAINER(e, struct sim_host, env);
}
void *sim_must(void *ptr); /* ends the process when memory is short: the simulator's own */
struct sim_event *sim_event_new(hz_time at, struct sim_host *, sim_event_fn *, const void *data,
                                size_t len);
void sim_event_push(struct sim *, struct sim_event *);
void sim_note(struct sim *, const char *what, const void *data, size_t len);

/* sim_addr.c */
bool sim_ip_parse(const char *text, struct sim_ip *);
bool sim_addr_parse(const char *text, struct sim_addr *);
void sim_addr_text(const struct sim_addr *, char *out, size_t len);
bool sim_ip_eq(const struct sim_ip *, const struct sim_ip *);
bool sim_addr_eq(const struct sim_addr *, const struct sim_addr *);
void sim_addr_to_hz(const struct sim_addr *, struct hz_addr *);
bool sim_addr_from_hz(const struct hz_addr *, struct sim_addr *);
/* The address that an endpoint names, seen from `h`; an empty host or a wildcard is `h` itself. */
hz_err sim_endpoint(const struct sim_host *h, const struct hz_endpoint *, struct sim_addr *,
                    char *why, size_t why_len);
uint16_t sim_free_port(struct sim_host *);

/* sim_link.c */
struct sim_pair *sim_pair(struct sim *, const struct sim_ip *from, const struct sim_ip *to);
struct sim_host *sim_host_at(struct sim *, const struct sim_ip *);
/* Puts a datagram on its way; `from` and `to` are what stands in it, `pair` decides its fate. */
void sim_link_datagram(struct sim *, struct sim_pair *, const struct sim_addr *from,
                       const struct sim_addr *to, uint8_t ecn, const void *data, size_t len);
/* When a segment of a byte stream that is sent now arrives: never before `not_before`. */
hz_time sim_link_segment(struct sim *, struct sim_pair *, size_t len, hz_time not_before);
bool sim_link_hole(const struct sim_link *, hz_time at, hz_time *until);

/* sim_udp.c */
extern const struct hz_net_ops sim_net_ops;
hz_err sim_udp_open(struct hz_env *, const struct hz_endpoint *, bool connected,
                    const struct hz_udp *, struct hz_udp **, struct hz_addr *, char *, size_t);
hz_err sim_udp_send(struct hz_udp *, struct hz_udp_tx *, size_t count);
hz_err sim_udp_rebind(struct hz_udp *);
void sim_udp_close(struct hz_udp *);
struct sim_host *sim_udp_host_seen_at(struct sim *, const struct sim_addr *);
/* Nobody has that socket: when the host is there, it says so to who asked, if that is connected. */
void sim_udp_refuse(struct sim *, hz_time at, const struct sim_addr *from,
                    const struct sim_addr *to);
void sim_udp_arrive(struct sim *, struct sim_event *);
void sim_udp_end_turn(struct sim *, struct sim_host *);
void sim_udp_bury(struct sim_host *);
bool sim_udp_port_taken(struct sim_host *, uint16_t port);

/* sim_stream.c */
hz_err sim_listen(struct hz_env *, const struct hz_endpoint *, const struct hz_acceptor *,
                  struct hz_acceptor **, char *, size_t);
void sim_unlisten(struct hz_acceptor *);
hz_err sim_connect(struct hz_env *, const struct hz_endpoint *, const struct hz_limits *,
                   const struct hz_io_events *, void *, struct hz_io **, char *, size_t);
bool sim_stream_port_taken(struct sim_host *, uint16_t port);
void sim_pipes_free(struct sim *);

#endif
