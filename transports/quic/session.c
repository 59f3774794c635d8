/* The session file, all numbers big-endian:
 *   "HZQS" u8:1 u32:version, then four fields, each u16 length and bytes:
 *   server, ticket (wolfSSL's DER), transport parameters (RFC 9000 18, as ngtcp2 encodes them for
 *   0-RTT), token; at the end u64: SipHash-1-3 of all before it under the zero key, against damage.
 * It holds a resumption secret: mode 0600. Not here: whether early data is sent. */
#include "transports/quic/session.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "HZQS\x01"
#define MAGIC_LEN 5u
#define SUM_LEN 8u
#define SERVER_MAX 300u
#define FILE_MAX                                                                                  \
  (MAGIC_LEN + 4 + 4 * 2 + SERVER_MAX + HZ_QUIC_SESSION_TICKET_MAX + HZ_QUIC_SESSION_PARAMS_MAX + \
   HZ_QUIC_SESSION_TOKEN_MAX + SUM_LEN)

struct reader {
  const uint8_t *p;
  size_t left;
};

static bool take(struct reader *r, void *dst, size_t len) {
  if (r->left < len) return false;
  memcpy(dst, r->p, len);
  r->p += len;
  r->left -= len;
  return true;
}

static bool take_field(struct reader *r, uint8_t *dst, size_t cap, size_t *len) {
  uint8_t n[2];
  if (!take(r, n, sizeof(n))) return false;
  *len = (size_t)n[0] << 8 | n[1];
  return *len <= cap && take(r, dst, *len);
}

static void checksum(const uint8_t *data, size_t len, uint8_t out[SUM_LEN]) {
  static const struct hz_quic_hash_key zero;
  uint64_t h = hz_quic_hash(&zero, data, len);
  for (unsigned i = 0; i < SUM_LEN; i++) out[i] = (uint8_t)(h >> (56 - 8 * i));
}

static bool parse(struct hz_quic_session *s, const uint8_t *data, size_t len) {
  uint8_t magic[MAGIC_LEN], v[4], server[SERVER_MAX], sum[SUM_LEN];
  size_t server_len;
  if (len < SUM_LEN) return false;
  len -= SUM_LEN;
  checksum(data, len, sum);
  if (memcmp(sum, data + len, SUM_LEN) != 0) return false;
  struct reader r = {data, len};
  if (!take(&r, magic, sizeof(magic)) || memcmp(magic, MAGIC, sizeof(magic)) != 0) return false;
  if (!take(&r, v, sizeof(v))) return false;
  s->version = (uint32_t)v[0] << 24 | (uint32_t)v[1] << 16 | (uint32_t)v[2] << 8 | v[3];
  if (!take_field(&r, server, sizeof(server), &server_len)) return false;
  if (server_len != strlen(s->server) || memcmp(server, s->server, server_len) != 0) return false;
  return take_field(&r, s->ticket, sizeof(s->ticket), &s->ticket_len) &&
         take_field(&r, s->params, sizeof(s->params), &s->params_len) &&
         take_field(&r, s->token, sizeof(s->token), &s->token_len) && r.left == 0;
}

static void read_file(struct hz_quic_session *s) {
  uint8_t data[FILE_MAX + 1];
  int fd = open(s->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return;
  size_t len = 0;
  ssize_t n;
  while (len < sizeof(data) && (n = read(fd, data + len, sizeof(data) - len)) > 0) len += (size_t)n;
  close(fd);
  if (len > FILE_MAX || !parse(s, data, len)) {
    s->ticket_len = s->params_len = s->token_len = 0;
    s->version = 0;
  }
  ngtcp2_secure_clear(data, sizeof(data));
}

struct hz_quic_session *hz_quic_session_open(struct hz_alloc *a, const char *file,
                                             const char *server) {
  struct hz_quic_session *s = hz_new(a, struct hz_quic_session);
  if (s == NULL) return NULL;
  s->alloc = a;
  s->file = hz_strndup(a, file, strlen(file));
  s->server = hz_strndup(a, server, strlen(server));
  if (s->file == NULL || s->server == NULL) {
    hz_quic_session_free(s);
    return NULL;
  }
  read_file(s);
  return s;
}

void hz_quic_session_free(struct hz_quic_session *s) {
  if (s == NULL) return;
  struct hz_alloc *a = s->alloc;
  hz_free(a, s->file);
  hz_free(a, s->server);
  ngtcp2_secure_clear(s, sizeof(*s));
  hz_free(a, s);
}

static size_t put_field(uint8_t *at, const void *data, size_t len) {
  at[0] = (uint8_t)(len >> 8);
  at[1] = (uint8_t)len;
  memcpy(at + 2, data, len);
  return 2 + len;
}

static hz_err write_all(const char *path, const uint8_t *data, size_t len) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return HZ_EIO;
  bool ok = true;
  while (ok && len > 0) {
    ssize_t n = write(fd, data, len);
    ok = n > 0;
    if (ok) {
      data += n;
      len -= (size_t)n;
    }
  }
  return close(fd) == 0 && ok ? HZ_OK : HZ_EIO;
}

hz_err hz_quic_session_write(const struct hz_quic_session *s) {
  uint8_t data[FILE_MAX];
  char temp[4096];
  size_t server_len = strlen(s->server);
  if (server_len > SERVER_MAX) return HZ_EIO;
  /* The process id keeps two clients with one file from writing into each other's. */
  int n = snprintf(temp, sizeof(temp), "%s.%ld.tmp", s->file, (long)getpid());
  if (n < 0 || (size_t)n >= sizeof(temp)) return HZ_EIO;
  memcpy(data, MAGIC, MAGIC_LEN);
  size_t len = MAGIC_LEN;
  for (int shift = 24; shift >= 0; shift -= 8) data[len++] = (uint8_t)(s->version >> shift);
  len += put_field(data + len, s->server, server_len);
  len += put_field(data + len, s->ticket, s->ticket_len);
  len += put_field(data + len, s->params, s->params_len);
  len += put_field(data + len, s->token, s->token_len);
  checksum(data, len, data + len);
  len += SUM_LEN;
  hz_err err = write_all(temp, data, len);
  if (err == HZ_OK && rename(temp, s->file) != 0) err = HZ_EIO;
  if (err != HZ_OK) (void)unlink(temp);
  ngtcp2_secure_clear(data, sizeof(data));
  return err;
}

/* Losing it costs the next connection a round trip: nothing that this one should fail for. */
static void save(struct hz_quic_conn *c) {
  c->session->version = ngtcp2_conn_get_negotiated_version2(c->qc);
  if (hz_quic_session_write(c->session) != HZ_OK) return;
}

void hz_quic_session_ticket(struct hz_quic_conn *c) {
  struct hz_quic_session *s = c->session;
  if (s == NULL) return;
  WOLFSSL_SESSION *ticket = wolfSSL_get1_session(c->ssl);
  if (ticket == NULL) return;
  int len = wolfSSL_i2d_SSL_SESSION(ticket, NULL);
  if (len > 0 && (size_t)len <= sizeof(s->ticket)) {
    unsigned char *at = s->ticket;
    s->ticket_len = (size_t)wolfSSL_i2d_SSL_SESSION(ticket, &at);
    ngtcp2_ssize n = ngtcp2_conn_encode_0rtt_transport_params2(c->qc, s->params, sizeof(s->params));
    s->params_len = n > 0 ? (size_t)n : 0;
    save(c);
  }
  wolfSSL_SESSION_free(ticket);
}

void hz_quic_session_token(struct hz_quic_conn *c, const uint8_t *token, size_t len) {
  struct hz_quic_session *s = c->session;
  if (s == NULL || len > sizeof(s->token)) return;
  memcpy(s->token, token, len);
  s->token_len = len;
  save(c);
}
