/* What the two files of the client's side share. */
#ifndef TRANSPORTS_HTTP1_CLIENT_CONN_H
#define TRANSPORTS_HTTP1_CLIENT_CONN_H

#include "core/message/outcall.h"
#include "transports/common/http_head.h"
#include "transports/common/iostream.h"
#include "transports/http/request.h"
#include "transports/http1/chunk.h"
#include "transports/http1/write.h"

enum hz_h1_stage {
  HZ_H1_IDLE,
  HZ_H1_HEAD,
  HZ_H1_LENGTH,   /* content of known length */
  HZ_H1_CHUNKS,   /* chunked */
  HZ_H1_UNTIL_END /* content that the connection's end ends */
};

struct hz_h1_client {
  struct hz_iostream s; /* first */
  struct hz_limits limits;
  struct hz_outcall *x; /* under way; NULL: none, or it was given up */
  struct hz_http_head head;
  struct hz_chunks chunks;
  struct hz_buf *place; /* between reserve and commit */
  uint64_t left;        /* of the answer's content */
  uint64_t owed;        /* of the request's, when its length was announced */
  size_t unconsumed;
  enum hz_h1_stage stage : 8;
  bool head_open; /* `head` is in use */
  bool head_only; /* HEAD was asked */
  bool sending;   /* the request's content is not whole */
  bool chunked;   /* it goes in chunks */
  bool blocked;   /* the io is full */
  bool last;      /* the connection ends with this answer */
  char host[HZ_HOST_MAX + 16];
};

extern const struct hz_iostream_hooks hz_h1_client_hooks;

/** Ends the call, if there is one, and the connection with it. */
void hz_h1_client_fail(struct hz_h1_client *c, hz_err err, const char *text);
void hz_h1_client_update_hold(struct hz_h1_client *c);

#endif
