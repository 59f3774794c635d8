/* Heads of HTTP/1.1, written. Not here: what they say (transports/http/response.h). */
#ifndef TRANSPORTS_HTTP1_WRITE_H
#define TRANSPORTS_HTTP1_WRITE_H

#include "transports/http/response.h"

/** Content in one piece: with all headers it stays in a 16 KiB class. */
#define HZ_H1_PIECE 16000u
/** Room that a buffer of content has beside it: a chunk's size in front, its line end behind. */
#define HZ_H1_CHUNK_HEAD 10u /* 8 hex digits and a line end; fits into HZ_BUF_HEADROOM */
#define HZ_H1_CHUNK_TAIL 2u

/** What is the connection's. */
struct hz_h1_delivery {
  bool close;      /* `Connection: close` */
  bool keep_alive; /* `Connection: keep-alive`, for HTTP/1.0 */
  bool chunked;
};

/** A buffer with status line, fields and `body` behind them; NULL when memory is short. */
struct hz_buf *hz_h1_write_response(struct hz_pool *pool, const struct hz_http_response *rs,
                                    const struct hz_h1_delivery *how, struct hz_str body);

/** A buffer with request line, `fields` as they are, and `body` behind them. NULL as above. */
struct hz_buf *hz_h1_write_request(struct hz_pool *pool, struct hz_str method, struct hz_str path,
                                   const struct hz_header *fields, uint32_t count,
                                   struct hz_str body);

/** Turns the content in `b`, which is not empty and has HZ_H1_CHUNK_TAIL bytes of room, into a chunk. */
void hz_h1_make_chunk(struct hz_buf *b);

/** The last chunk with its trailers; those that HTTP cannot carry are left out. NULL as above. */
struct hz_buf *hz_h1_last_chunk(struct hz_pool *pool, const struct hz_header *trailers,
                                uint32_t count);

#endif
