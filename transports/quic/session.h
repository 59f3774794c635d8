/* What a client remembers of a server between connections: TLS ticket, the transport parameters that
 * 0-RTT needs, the address token, the version. One small file. Not here: using them (client.c). */
#ifndef TRANSPORTS_QUIC_SESSION_H
#define TRANSPORTS_QUIC_SESSION_H

#include "transports/quic/conn.h"

#define HZ_QUIC_SESSION_TICKET_MAX 8192u
#define HZ_QUIC_SESSION_PARAMS_MAX 512u
#define HZ_QUIC_SESSION_TOKEN_MAX 512u

struct hz_quic_session {
  struct hz_alloc *alloc;
  char *file;   /* NULL: remember nothing */
  char *server; /* "host:port": a file of another server is not used */
  uint32_t version;
  size_t ticket_len, params_len, token_len;
  uint8_t ticket[HZ_QUIC_SESSION_TICKET_MAX];
  uint8_t params[HZ_QUIC_SESSION_PARAMS_MAX];
  uint8_t token[HZ_QUIC_SESSION_TOKEN_MAX];
};

/** Reads `file`; whatever is wrong with it (absent, damaged, another server's, another version of
 * the format) gives an empty session that will be written anew. NULL: no memory. */
struct hz_quic_session *hz_quic_session_open(struct hz_alloc *a, const char *file,
                                             const char *server);
void hz_quic_session_free(struct hz_quic_session *s);

/** Writes it: a new file of mode 0600 that takes the old one's place whole. HZ_EIO. */
HZ_MUST_USE hz_err hz_quic_session_write(const struct hz_quic_session *s);

/** The server sent a ticket; an address token. Harmless without a session file. */
void hz_quic_session_ticket(struct hz_quic_conn *c);
void hz_quic_session_token(struct hz_quic_conn *c, const uint8_t *token, size_t len);

#endif
