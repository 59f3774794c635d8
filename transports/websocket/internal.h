/* What the files of this adapter share: the connection and who does what with it.
 *   adapter.c  tables, dialling, the upgrade      opening.c  the handshake on a connection
 *   tunnel.c   streams of HTTP/3, both ways       link.c     frames on a connection, closing
 *   plain.c    messages as calls */
#ifndef TRANSPORTS_WEBSOCKET_INTERNAL_H
#define TRANSPORTS_WEBSOCKET_INTERNAL_H

#include "transports/common/http_head.h"
#include "transports/common/iostream.h"
#include "transports/common/tunnel.h"
#include "transports/common/upgrade.h"
#include "transports/websocket/frame.h"
#include "transports/websocket/handshake.h"

struct hz_ws_plain;

enum hz_ws_phase {
  HZ_WS_OPENING, /* heads of HTTP */
  HZ_WS_FRAMES,
  HZ_WS_LINGER /* our last word is out, theirs is of no use any more: read on and drop it, so that
                  closing a socket with unread bytes does not take the last word with it */
};

/* What only a client has. */
struct hz_ws_client {
  struct hz_limits limits;          /* a server's are its listener's */
  struct hz_buf *request;           /* until the io is open; NULL over HTTP/3 */
  struct hz_tunnel_request connect; /* over HTTP/3: until it is open */
  char key[HZ_WS_KEY_LEN + 1];      /* of the handshake */
  uint8_t keys[64];                 /* masking keys to come, from the env's randomness */
  uint8_t keys_left;                /* bytes of them */
};

/* An idle connection is this and no more: what is needed now and then is made then. */
struct hz_ws {
  struct hz_iostream s;        /* first */
  struct hz_ws_parser *parser; /* from a frame's first byte to its message's last; then NULL */
  struct hz_ws_plain *plain;   /* NULL: herz.v1 */
  struct hz_ws_client *client; /* NULL on a server */
  struct hz_buf *pong;         /* waits because the io was full; of the latest ping (5.5.3) */
  union {
    struct hz_http_head *head; /* client: while opening */
    const char *refusal_text;  /* server, with `refusal`: static */
  };
  uint16_t refusal; /* server: the status the upgrade is refused with; 0: none */
  bool bare;        /* ... without its text: it was HEAD */
  enum hz_ws_phase phase : 8;
  bool close_sent, close_seen; /* close frames */
  bool core_waits;             /* stream_send said HZ_AGAIN */
};
_Static_assert(sizeof(struct hz_ws) <= sizeof(struct hz_iostream) + 48,
               "idle connections are many");

static inline struct hz_ws *hz_ws_of(struct hz_iostream *s) {
  return (struct hz_ws *)(void *)s;
}
static inline struct hz_env *hz_ws_env(const struct hz_ws *ws) {
  return ws->s.conn.env;
}

/* adapter.c */
/** A client's, which does not connect yet. NULL: memory is short, as `why` says. */
struct hz_ws *hz_ws_new_client(struct hz_env *env, const struct hz_transport_ops *ops, char *why,
                               size_t why_len);

/** Server: this connection's messages are calls, so that it drains by itself (hz_transport_ops.drain). */
void hz_ws_become_plain(struct hz_conn *conn);

/* tunnel.c */
/** The table of `ws+h3` in plain mode. */
const struct hz_transport_ops *hz_ws_h3_plain_ops(void);

/* opening.c */
/** The judges are through: from here on there are frames. `herz`: one stream of Herz's. */
void hz_ws_opening_done(struct hz_ws *ws, bool herz);
/** Client: sends its request. */
void hz_ws_opening_begin(struct hz_ws *ws);
/** Server: judges a request and answers it. `head` stands for the call. */
void hz_ws_opening_answer(struct hz_ws *ws, const struct hz_http_head *head);
/** Client: takes bytes until the handshake is over one way or the other. */
void hz_ws_opening_feed(struct hz_ws *ws, const uint8_t **data, size_t *len);
/** What is still to be said when the connection closes before it was open; as hooks->goodbye. */
bool hz_ws_opening_goodbye(struct hz_ws *ws);
/** Releases what only the handshake needs. */
void hz_ws_opening_free(struct hz_ws *ws);

/* link.c */
extern const struct hz_iostream_hooks hz_ws_hooks;
/** Makes the parser before bytes are looked at. False: memory is short, the connection fails. */
bool hz_ws_begin_parsing(struct hz_ws *ws);
/** Lets it go when it is between two messages. */
void hz_ws_end_parsing(struct hz_ws *ws);
/** Parses on until a piece of a message came. Pings, pongs, closes and failures are dealt with
 * inside. False: all input is taken, or nothing more is wanted. `room` as hz_ws_parse(). */
bool hz_ws_next(struct hz_ws *ws, const uint8_t **data, size_t *len, uint8_t *room, size_t room_len,
                struct hz_ws_event *ev);
/** Fails the connection (RFC 6455 7.1.7) with this status code. */
void hz_ws_fail(struct hz_ws *ws, uint16_t code, hz_err err, const char *text);
/** Sends a close frame, once. */
void hz_ws_send_close(struct hz_ws *ws, uint16_t code, const char *reason);
/** Answers the peer's close frame and hangs up. */
void hz_ws_answer_close(struct hz_ws *ws);
/** Discards input from here on; the peer sees our end and is expected to end too. */
void hz_ws_linger(struct hz_ws *ws);
void hz_ws_op_keepalive(struct hz_conn *c);

/* plain.c */
/** Keeps what calls need of the request that opened it. HZ_ENOMEM. */
HZ_MUST_USE hz_err hz_ws_plain_new(struct hz_ws *ws, const struct hz_header *fields, uint32_t count,
                                   const struct hz_ws_upgrade *up);
void hz_ws_plain_feed(struct hz_ws *ws, const uint8_t *data, size_t len);
void hz_ws_plain_writable(struct hz_ws *ws);
/** The service drains: nothing more is read, what is under way is answered, then it closes (1001). */
void hz_ws_plain_drain(struct hz_conn *conn);
/** The peer's close frame came: true when answers are still under way and closing has to wait. */
bool hz_ws_plain_closing(struct hz_ws *ws);
/** Sends the answers that are whole and have their turn, as far as the io takes them: also before a
 * close frame. */
void hz_ws_plain_flush(struct hz_ws *ws);
/** No answer can be sent any more: handlers are told, input that waits is passed over. */
void hz_ws_plain_cancel(struct hz_ws *ws);
void hz_ws_plain_free(struct hz_ws *ws);

#endif
