/* WebTransport by hand, on the client of h3_peer.h: sessions, their streams, capsules and datagrams, byte by byte. Not
 * here: what is asserted (the tests'). */
#ifndef TESTS_SUPPORT_WT_PEER_H
#define TESTS_SUPPORT_WT_PEER_H

#include "tests/support/h3_peer.h"

/** SETTINGS of a client of draft 02: datagrams, and WebTransport. */
#define WT_SETTINGS "\x33\x01\xab\x60\x37\x42\x01"

/** Opens, and says SETTINGS of a client. */
void wt_connect(struct h3_peer *h, struct app_pair *p);
/** Asks for a session at `path`; `more` fields (NULL: none). Its answer is there when this returns. */
struct h3_call *wt_ask(struct h3_peer *h, const char *path, const char *more);
/** The same, and it is accepted. */
struct h3_call *wt_session(struct h3_peer *h, const char *path);
/** A stream of session `id` with these bytes. */
struct h3_call *wt_stream(struct h3_peer *h, uint64_t id, enum hz_dir dir, const void *data,
                          size_t len, bool fin);
/** A stream to a session at /echo, which comes back. */
bool wt_echoes(struct h3_peer *h, uint64_t id, const char *text);
/** A capsule in DATA, of which `len` bytes are claimed and `has` are there. */
void wt_capsule(struct h3_call *session, uint64_t type, const void *value, size_t len, size_t has,
                bool fin);
void wt_datagram(struct h3_peer *h, uint64_t id, const void *data, size_t len);
/** The number of the session that was asked for by `c`. */
uint64_t wt_id(const struct h3_call *c);
/** The number that the next stream but `n` of this client will have. */
uint64_t wt_id_after(const struct h3_peer *h, unsigned n);

#endif
