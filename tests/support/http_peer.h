/* An HTTP/1.1 client without manners: bytes as the test writes them, answers as a story. */
#ifndef TESTS_SUPPORT_HTTP_PEER_H
#define TESTS_SUPPORT_HTTP_PEER_H

#include "tests/support/raw_peer.h"

/** Connects, and waits for the connection. */
void http_connect(struct app_pair *p, struct raw_peer *peer);
/** raw_say() for text. */
void http_say(struct app_pair *p, struct raw_peer *peer, const char *text);
/** Lets `ns` pass. */
void http_run(struct app_pair *p, hz_time ns);

/** What came back so far as a story: of each answer the status, its content (whole if it is short, else
 * its length in brackets) and "close" when it says so: "200({"id":"42"}) 400 close". "..." at the end: an
 * answer that is not whole. Chunks are put together. Interim answers have no content. Static memory. */
const char *http_story(const struct raw_peer *peer);

/** The value of a field of the first answer, "" when it has none. Static memory. */
const char *http_field(const struct raw_peer *peer, const char *name);

#endif
