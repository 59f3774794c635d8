/* Bytes that no client of ours would send, on a byte stream of the simulated network, and what comes back
 * on it. */
#ifndef TESTS_SUPPORT_RAW_PEER_H
#define TESTS_SUPPORT_RAW_PEER_H

#include "codec/envelope.h"
#include "tests/support/app_pair.h"

/** A peer without manners: a byte stream, what came back on it, and its end. */
struct raw_peer {
  struct hz_io *io;
  bool opened, closed;
  uint8_t in[65536];
  size_t len;
};

/** Connects to the server's port. */
void raw_connect(struct app_pair *p, struct raw_peer *peer);
void raw_say(struct app_pair *p, struct raw_peer *peer, const void *bytes, size_t len);
/** Ends its side and waits for the end of the other. */
void raw_hang_up(struct app_pair *p, struct raw_peer *peer);
/** For sim_run_until(); `arg`: the peer. */
bool raw_is_closed(void *arg);

/** Every frame that came: its envelope, and its length field. */
typedef void raw_visit(const struct hz_envelope *e, size_t length, void *arg);
void raw_frames(const struct raw_peer *peer, raw_visit *visit, void *arg);
/** The code of the last ERROR frame that came; 0: none. */
uint64_t raw_error_code(const struct raw_peer *peer);
/** What is answered to SUB and PUB; code and id of the last ERROR, id 0: about the connection. */
struct raw_told {
  uint32_t acks, events, gaps, errors;
  uint64_t code, id;
};
struct raw_told raw_told(const struct raw_peer *peer);
/** How many RES came with this status. */
unsigned raw_answers(const struct raw_peer *peer, uint32_t status);

#endif
