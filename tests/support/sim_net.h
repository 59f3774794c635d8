/* A virtual clock and a virtual network: hosts with an hz_env each, datagrams and byte streams
 * between them under conditions that the test sets, everything out of one seed. The same seed gives
 * the same run, to the byte (sim_hash). Not here: real sockets, threads, protocols.
 *
 *   struct sim *sim = sim_new("quic/handshake_at_30_percent_loss", seed);
 *   struct hz_env *server = sim_host(sim, "10.0.0.1"), *client = sim_host(sim, "10.0.0.2");
 *   sim_path(sim, "10.0.0.1", "10.0.0.2", &(struct sim_link){.delay_ns = 20 * HZ_MS, .loss = 0.3});
 *   ... listen on server's env, dial on client's ...
 *   cr_assert(sim_run_until(sim, connected, &test, sim_now(sim) + 30 * HZ_SEC));
 *   sim_free(sim);
 *
 * A test that ends without sim_free() has failed: the command that replays it is printed then. */
#ifndef TESTS_SUPPORT_SIM_NET_H
#define TESTS_SUPPORT_SIM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/rng.h"
#include "core/time/env.h"
#include "tests/support/fault_alloc.h"
#include "transports/common/net.h"

/** Where virtual time starts, and what the wall clock says then (2026-01-01 00:00:00 UTC). */
#define SIM_START (1000 * HZ_SEC)
#define SIM_WALL_START (UINT64_C(1767225600) * HZ_SEC)

struct sim;

/** What passed one direction of a path: counted by the link, for tests to assert. Sizes are payload
 * bytes. Amplification before address validation: bytes of server->client over client->server. */
struct sim_counts {
  uint64_t sent, sent_bytes;           /* datagrams and stream segments handed in by the sender */
  uint64_t delivered, delivered_bytes; /* handed to a socket, duplicates included */
  uint64_t lost;                       /* loss, bursts, holes, a gone host, no such socket */
  uint64_t queue_dropped;              /* the bottleneck's queue was full */
  uint64_t too_big;                    /* over the MTU: refused or vanished */
  uint64_t trains;                     /* several datagrams handed in as one train */
  uint64_t reordered, duplicated, corrupted, ce_marked;
};

/** One direction of a path between two hosts. All zero: nothing is lost and all arrives at once.
 * Chances are from 0 to 1, drawn for each datagram. May be changed at any time; what is under way
 * already stays as it is. */
struct sim_link {
  hz_time delay_ns;
  hz_time jitter_ns;  /* added: 0 to this, without overtaking */
  double loss;        /* of a byte stream: the segment, and what follows it, comes 200 ms late */
  double burst;       /* chance that a burst begins: this datagram and those behind it are lost */
  uint32_t burst_len; /* how many a burst takes */
  double reorder;     /* share that is held back, and so overtaken */
  hz_time reorder_ns; /* for how long: 1 to this; 0: 10 ms */
  double duplicate;
  double corrupt; /* one to three bytes changed; never a byte stream's */
  double ce;      /* share of ECN-capable datagrams that leave marked as CE */
  bool ecn_bleached;
  uint64_t rate_bytes;  /* a second; 0: no limit */
  uint32_t queue_bytes; /* waiting before the rate limit; 0: 64 KiB */
  uint32_t mtu;         /* largest datagram payload; 0: 65507 */
  bool mtu_silent;      /* larger ones vanish on the way; false: the sender is told (EMSGSIZE) */
  double again;         /* chance that a datagram send is refused with HZ_AGAIN for 1 ms */
  bool no_trains;       /* a train leaves datagram by datagram, and the sender is told */
  hz_time hole_from, hole_until; /* nothing passes in [from, until); absolute times */
  hz_time hole_every_ns;         /* and again after this long each; 0: once */
  uint32_t segment_bytes; /* byte streams come in pieces of 1 to this many bytes; 0: as sent */
  uint32_t window_bytes;  /* unread bytes that a byte stream's receiver takes; 0: 64 KiB */
  struct sim_counts n;
};

/** One datagram as the tap sees it: when it is handed in, before any condition applies. */
struct sim_datagram {
  const char *from, *to; /* "10.0.0.1:4433", as on the wire (behind address translation) */
  uint8_t ecn;
  const uint8_t *data;
  size_t len;
};

/** Starts a simulation. `name` ("suite/test") stands in the command that replays it. */
struct sim *sim_new(const char *name, uint64_t seed);

/** Ends it: every host's env must be unused by now. Returns how many bytes hosts still held: a test
 * asserts 0. Prints what leaks. */
size_t sim_free(struct sim *);

hz_time sim_now(const struct sim *);

/** For choices of the test itself that shall follow the seed. */
struct hz_rng *sim_rng(struct sim *);

/** FNV-1a over time, place, and content of everything that happened so far. */
uint64_t sim_hash(const struct sim *);
/** The same without content: encrypted bytes differ from run to run, for keys come from elsewhere,
 * but when and how many must not. */
uint64_t sim_shape(const struct sim *);

/** The env of the host with this address ("10.0.0.1", "fd00::1"), made when it is new. Its
 * wall clock follows the virtual one, its randomness the seed; one worker, one thread: post() is
 * for the simulating thread only. Host names in URLs are addresses, or "localhost". */
struct hz_env *sim_host(struct sim *, const char *ip);

/** The allocator behind that env: to make it fail, and to see what is alive. */
struct fault_alloc *sim_alloc(struct hz_env *);

/** The conditions and counters from one address to another, for reading and changing. The addresses
 * need no host: what goes to nobody is counted all the same. Both NULL: what a pair that was
 * not used yet starts with. */
struct sim_link *sim_link(struct sim *, const char *from_ip, const char *to_ip);

/** Sets both directions to `conditions`; counters stay. */
void sim_path(struct sim *, const char *a_ip, const char *b_ip, const struct sim_link *conditions);

/** Runs until `cond(arg)` holds (asked after every step) or the virtual clock stands at `deadline`.
 * Returns whether it held. `cond` NULL: until `deadline`. */
bool sim_run_until(struct sim *, bool (*cond)(void *arg), void *arg, hz_time deadline);
void sim_run_for(struct sim *, hz_time ns);

/** Calls `fn(arg)` at virtual time `when`, outside of any host's turn. */
void sim_at(struct sim *, hz_time when, void (*fn)(struct sim *, void *arg), void *arg);

/** `fn` sees every datagram and may drop it by returning false. One at a time; NULL: none. */
void sim_tap(struct sim *, bool (*fn)(struct sim *, const struct sim_datagram *, void *arg),
             void *arg);

/** Puts a datagram on the wire, from wherever it claims ("192.0.2.7:1234") to "10.0.0.1:4433". The
 * conditions of that pair apply, the tap does not see it. */
void sim_inject(struct sim *, const char *from, const char *to, uint8_t ecn, const void *data,
                size_t len);

/** From now on the host's datagram sockets are seen, and reached, at a new port of `outer_ip`
 * (NULL: of the address they are seen at now): what a NAT does that lost its table. Datagrams to
 * the former place are lost. The conditions of the path stay those of the host's own address. */
void sim_nat(struct sim *, struct hz_env *, const char *outer_ip);

/** Every byte stream of the host gets a reset, on both ends, at once. */
void sim_kill_streams(struct sim *, struct hz_env *);

/** The same for one: the nth, from 0, oldest first, of those that the host has dialled. False: it has not so
 * many. */
bool sim_kill_stream(struct sim *, struct hz_env *, uint64_t nth);

/** The host stands still for `ns`: a handler that blocks, a machine that was suspended. What comes to it
 * waits; then it has all of that in one turn, and its clock has jumped. */
void sim_stall(struct sim *, struct hz_env *, hz_time ns);

/** Sets the host's wall clock forward or back; its other clock knows nothing of it. */
void sim_step_wall(struct hz_env *, int64_t ns);

/** The host's network cable: while it is out nothing leaves or arrives, and nobody is told. */
void sim_unplug(struct sim *, struct hz_env *, bool out);

/** Which seeds a test runs: `count` from `first` on; HERZ_SIM_SEEDS=n asks for another count,
 * HERZ_SIM_SEED_FIRST=s for another beginning, HERZ_SIM_SEED=s for this one alone.
 *   SIM_FOR_SEEDS(seed, 1, 50) { struct sim *sim = sim_new("...", seed); ... } */
struct sim_seeds {
  uint64_t next, left;
};
struct sim_seeds sim_seeds(uint64_t first, uint64_t count);
bool sim_next_seed(struct sim_seeds *, uint64_t *seed);
#define SIM_FOR_SEEDS(seed, first, count)                                           \
  for (struct sim_seeds sim_seeds_ = sim_seeds((first), (count)); sim_seeds_.left;) \
    for (uint64_t seed; sim_next_seed(&sim_seeds_, &seed); (void)0)

#endif
