/* Peers of raw mode: how a connection to one is opened, what it is sent again and again, and what
 * comes back for each. Not here: the loop (bench_raw.c). */
#ifndef APPS_HERZ_BENCH_PEER_H
#define APPS_HERZ_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_HEAD_MAX 48u

/* Ids are eight bytes, big-endian, on the wire; they begin where both sides write so
 * many, so that every request and every answer has one length. */
#define RAW_ID_FIRST (UINT64_C(1) << 32)

/** One exchange: `request` over and over; each is answered by `reply_len` bytes, which begin with
 * `reply_head`. */
struct raw_script {
  char *request; /* malloc()ed */
  size_t request_len, reply_len, reply_head_len;
  size_t id_at; /* where each request has a number of its own; 0: nowhere */
  uint64_t next_id;
  const char *aside; /* what the peer says between replies, of itself; NULL: nothing */
  char reply_head[RAW_HEAD_MAX];
};

/** Where a URL leads: parsed once. */
struct raw_target {
  const char *url;
  char host[256], port[8];
  char socket[8192]; /* in the file system; "" : there is a host */
  char path[8192];
  bool websocket;
};

/** False: said why it is no target of raw mode. */
bool raw_target_parse(struct raw_target *t, const char *url);

/** Connects and opens what the peer wants opened, waiting at most `timeout_ms` for each step. Returns
 * a socket that blocks, or the negative exit code after saying why. `number` tells connections apart;
 * `s` is freed by raw_script_free(). */
int raw_connect(const struct raw_target *t, const char *kind, uint32_t size, uint32_t number,
                uint32_t timeout_ms, struct raw_script *s);
void raw_put_id(char *at, uint64_t id);

/** Whether `byte`, with no reply begun, is of an aside, *at bytes of which have come. */
bool raw_take_aside(const char *aside, size_t *at, char byte);

/* What it is made of, for others who open such peers (bench_fan_peer.c). */

#define RAW_FRAME_HEAD 8u /* of a frame of Herz */

/** A socket that blocks, or the negative exit code after saying why. */
int raw_dial(const struct raw_target *t, uint32_t timeout_ms);
/** What was to be read first did not come (errno; 0: why is said): closes, answers the negative exit code. */
int raw_not_opened(const struct raw_target *t, int fd);
/** False: errno says why. raw_read_to() reads up to and with `end`, which ends a text in `out`. */
bool raw_send(int fd, const char *data, size_t len);
bool raw_read(int fd, char *out, size_t len);
bool raw_read_to(int fd, const char *end, char *out, size_t cap);
/** False, after saying what came instead; errno is 0. */
bool raw_refused(const struct raw_target *t, char *answer);
/** `code`, then `n` in `bytes` bytes, big-endian. Behind them. */
char *raw_put_number(char *p, char code, uint64_t n, unsigned bytes);
/** Writes the head into a frame of `len` bytes, its head included. */
void raw_seal(char *frame, size_t len);
/** A whole frame; its length, head included. 0: as raw_read(), or it was refused. */
size_t raw_read_frame(const struct raw_target *t, int fd, char *out, size_t cap);
void raw_script_free(struct raw_script *s);

#endif
