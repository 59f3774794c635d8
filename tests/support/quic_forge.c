/* Forged packets: keys from the client's key log (RFC 9001 5.1), sealing as in 5.3 and 5.4. */
#include "tests/support/quic_forge.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transports/quic/conn.h"
#include "transports/quic/protect.h"

#define SERVER QF_SERVER ":4433"
#define NUMBER_LEN 4u
#define PACKET_MAX 1400u

static void key_log(const char *path, uint8_t secret[32]) {
  static const char label[] = "CLIENT_TRAFFIC_SECRET_0 ";
  char line[512];
  bool found = false;
  FILE *file = fopen(path, "r");
  cr_assert_not_null(file);
  while (fgets(line, sizeof(line), file) != NULL) {
    if (strncmp(line, label, sizeof(label) - 1) != 0) continue;
    const char *hex = strrchr(line, ' ') + 1;
    found = strlen(hex) >= 64;
    for (int i = 0; found && i < 32; i++) {
      unsigned byte = 0;
      found = sscanf(hex + 2 * i, "%2x", &byte) == 1;
      secret[i] = (uint8_t)byte;
    }
  }
  fclose(file);
  (void)unlink(path);
  cr_assert(found, "no secret in the key log");
}

void quic_forge_expand(const uint8_t secret[32], const char *label, uint8_t *out, size_t len) {
  uint8_t info[64] = {0, (uint8_t)len};
  size_t n = 3 + (size_t)snprintf((char *)info + 3, sizeof(info) - 3, "tls13 %s", label);
  info[2] = (uint8_t)(n - 3);
  info[n++] = 0; /* no context */
  ngtcp2_crypto_md md;
  ngtcp2_crypto_md_sha256(&md);
  cr_assert_eq(ngtcp2_crypto_hkdf_expand(out, len, &md, secret, 32, info, n), 0);
}

static const char *last_server_peer(struct qf *f) {
  return HZ_CONTAINER(f->servers.prev, struct qf_conn, link)->peer.addr;
}

void quic_forge_begin(struct quic_forge *g, struct qf *f, const char *host) {
  char path[160];
  uint8_t secret[32];
  *g = (struct quic_forge){.f = f, .number = 1000};
  snprintf(path, sizeof(path), "%s/forge", qf_dir());
  f->ccfg.tls.keylog_file = path;
  cr_assert_eq(qf_try_dial(f, host != NULL ? sim_host(f->sim, host) : f->cenv, &g->client), HZ_OK);
  f->ccfg.tls.keylog_file = NULL;
  cr_assert(qf_until(f, &g->client->opened, 30 * HZ_SEC), "%s", g->client->why.text);
  sim_run_for(f->sim, 200 * HZ_MS);
  snprintf(g->from, sizeof(g->from), "%s", last_server_peer(f));
  key_log(path, secret);
  quic_forge_expand(secret, "quic key", g->key, sizeof(g->key));
  quic_forge_expand(secret, "quic iv", g->iv, sizeof(g->iv));
  quic_forge_expand(secret, "quic hp", g->hp, sizeof(g->hp));
}

/* `packet` has `head` bytes of header that end in the packet number, then `len` of frames. */
static size_t seal(const struct quic_forge *g, uint8_t *packet, size_t head, size_t len) {
  uint8_t nonce[12], mask[NGTCP2_HP_SAMPLELEN];
  ngtcp2_crypto_ctx ctx;
  ngtcp2_crypto_aead_ctx aead;
  ngtcp2_crypto_cipher_ctx hp;
  ngtcp2_crypto_ctx_initial(&ctx); /* AES-128-GCM as well */
  memcpy(nonce, g->iv, sizeof(nonce));
  for (unsigned i = 0; i < NUMBER_LEN; i++) nonce[8 + i] ^= (uint8_t)(g->number >> (24 - 8 * i));
  cr_assert_eq(ngtcp2_crypto_aead_ctx_encrypt_init(&aead, &ctx.aead, g->key, sizeof(nonce)), 0);
  cr_assert_eq(ngtcp2_crypto_cipher_ctx_encrypt_init(&hp, &ctx.hp, g->hp), 0);
  cr_assert_eq(hz_quic_encrypt(packet + head, &ctx.aead, &aead, packet + head, len, nonce,
                               sizeof(nonce), packet, head),
               0);
  cr_assert_eq(hz_quic_hp_mask(mask, &ctx.hp, &hp, packet + head - NUMBER_LEN + 4), 0);
  packet[0] ^= mask[0] & 0x1f;
  for (unsigned i = 0; i < NUMBER_LEN; i++) packet[head - NUMBER_LEN + i] ^= mask[1 + i];
  ngtcp2_crypto_aead_ctx_free(&aead);
  ngtcp2_crypto_cipher_ctx_free(&hp);
  return head + len + 16;
}

void quic_forge_send(struct quic_forge *g, const uint8_t *frames, size_t len) {
  uint8_t packet[PACKET_MAX + 64];
  const ngtcp2_cid *dcid = ngtcp2_conn_get_dcid2(hz_quic_conn_of(g->client->c)->qc);
  cr_assert_leq(len, PACKET_MAX);
  size_t n = 0;
  packet[n++] = (uint8_t)(0x40 | g->header_bits | (NUMBER_LEN - 1));
  memcpy(packet + n, dcid->data, dcid->datalen);
  n += dcid->datalen;
  for (unsigned i = 0; i < NUMBER_LEN; i++) packet[n++] = (uint8_t)(g->number >> (24 - 8 * i));
  if (len > 0) memcpy(packet + n, frames, len);
  n = seal(g, packet, n, len);
  g->number++;
  sim_inject(g->f->sim, g->from, SERVER, 0, packet, n);
}
