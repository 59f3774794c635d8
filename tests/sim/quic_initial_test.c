/* First packets that are right but strange: a ClientHello in shuffled crumbs, as "chaos protection"
 * sends it (U06 of the threat list). Not here: wrong ones (quic_attack_test.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/quic_fixture.h"
#include "tests/support/quic_forge.h"
#include "transports/quic/protect.h"

#define NAME(test) "quic_initial/" #test
#define HELLO_MAX 1200u
#define CRUMBS_MAX 200u

static const struct sim_link lan = {.delay_ns = 10 * HZ_MS};

/* An Initial packet of QUIC v1, opened: header up to the packet number, plain frames. */
struct initial {
  uint8_t bytes[1500];
  size_t head, plain, total; /* total: of the datagram, which holds this packet alone */
  uint8_t iv[12];
  ngtcp2_crypto_ctx ctx;
  ngtcp2_crypto_aead_ctx aead;
  ngtcp2_crypto_cipher_ctx hp;
  size_t number_len;
};

static void derive(struct initial *p, const uint8_t *dcid, size_t dcid_len) {
  static const uint8_t salt[20] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
                                   0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
  uint8_t initial[32], client[32], key[16], hp[16];
  ngtcp2_crypto_md md;
  ngtcp2_crypto_md_sha256(&md);
  cr_assert_eq(ngtcp2_crypto_hkdf_extract(initial, &md, dcid, dcid_len, salt, sizeof(salt)), 0);
  quic_forge_expand(initial, "client in", client, sizeof(client));
  quic_forge_expand(client, "quic key", key, sizeof(key));
  quic_forge_expand(client, "quic iv", p->iv, sizeof(p->iv));
  quic_forge_expand(client, "quic hp", hp, sizeof(hp));
  ngtcp2_crypto_ctx_initial(&p->ctx);
  cr_assert_eq(ngtcp2_crypto_aead_ctx_encrypt_init(&p->aead, &p->ctx.aead, key, 12), 0);
  cr_assert_eq(ngtcp2_crypto_cipher_ctx_encrypt_init(&p->hp, &p->ctx.hp, hp), 0);
}

static uint64_t varint(const uint8_t *data, size_t *at) {
  size_t len = (size_t)1 << (data[*at] >> 6);
  uint64_t v = data[(*at)++] & 0x3f;
  while (--len > 0) v = v << 8 | data[(*at)++];
  return v;
}

/* Packet number 0, so the nonce is the IV. */
static void unseal(struct initial *p, const struct sim_datagram *d) {
  uint8_t mask[NGTCP2_HP_SAMPLELEN];
  cr_assert_leq(d->len, sizeof(p->bytes));
  memcpy(p->bytes, d->data, d->len);
  p->total = d->len;
  uint8_t *b = p->bytes;
  cr_assert_eq(b[0] & 0xb0, 0x80, "an Initial");
  size_t at = 5, dcid = 6;
  at += 1 + b[at];
  derive(p, b + dcid, b[5]);
  at += 1 + b[at];
  at += (size_t)varint(b, &at);
  size_t len = (size_t)varint(b, &at);
  cr_assert_eq(at + len, d->len, "the datagram holds one packet");
  cr_assert_eq(hz_quic_hp_mask(mask, &p->ctx.hp, &p->hp, b + at + 4), 0);
  b[0] ^= mask[0] & 0x0f;
  p->number_len = (b[0] & 3u) + 1u;
  for (size_t i = 0; i < p->number_len; i++) {
    b[at + i] ^= mask[1 + i];
    cr_assert_eq(b[at + i], 0u, "the first packet");
  }
  p->head = at + p->number_len;
  p->plain = len - p->number_len - 16;
  cr_assert_eq(hz_quic_decrypt(b + p->head, &p->ctx.aead, &p->aead, b + p->head, p->plain + 16,
                               p->iv, sizeof(p->iv), b, p->head),
               0);
}

static void seal(struct initial *p) {
  uint8_t mask[NGTCP2_HP_SAMPLELEN], *b = p->bytes;
  size_t number = p->head - p->number_len;
  cr_assert_eq(hz_quic_encrypt(b + p->head, &p->ctx.aead, &p->aead, b + p->head, p->plain, p->iv,
                               sizeof(p->iv), b, p->head),
               0);
  cr_assert_eq(hz_quic_hp_mask(mask, &p->ctx.hp, &p->hp, b + number + 4), 0);
  b[0] ^= mask[0] & 0x0f;
  for (size_t i = 0; i < p->number_len; i++) b[number + i] ^= mask[1 + i];
  ngtcp2_crypto_aead_ctx_free(&p->aead);
  ngtcp2_crypto_cipher_ctx_free(&p->hp);
}

/* The ClientHello out of the CRYPTO frames; nothing but padding and PINGs may stand beside them. */
static size_t collect(const struct initial *p, uint8_t *hello) {
  const uint8_t *b = p->bytes + p->head;
  size_t end = 0;
  for (size_t at = 0; at < p->plain;) {
    uint8_t type = b[at++];
    if (type <= 1) continue;
    cr_assert_eq(type, 6u);
    size_t offset = (size_t)varint(b, &at), len = (size_t)varint(b, &at);
    cr_assert_leq(offset + len, HELLO_MAX);
    memcpy(hello + offset, b + at, len);
    at += len;
    if (offset + len > end) end = offset + len;
  }
  return end;
}

/* The same hello in crumbs of 1 to 40 bytes, in any order, with PINGs and padding in between. */
static void crumble(struct initial *p, struct hz_rng *rng) {
  uint8_t hello[HELLO_MAX], *out = p->bytes + p->head;
  struct crumb {
    size_t at, len;
  } crumbs[CRUMBS_MAX], swap;
  size_t len = collect(p, hello), count = 0, n = 0;
  for (size_t at = 0; at < len; at += crumbs[count++].len) {
    size_t want = 1 + (size_t)hz_rng_below(rng, 40);
    cr_assert_lt(count, CRUMBS_MAX);
    crumbs[count] = (struct crumb){at, want < len - at ? want : len - at};
  }
  for (size_t i = count - 1; i > 0; i--) {
    size_t k = (size_t)hz_rng_below(rng, i + 1);
    swap = crumbs[i];
    crumbs[i] = crumbs[k];
    crumbs[k] = swap;
  }
  memset(out, 0, p->plain);
  for (size_t i = 0; i < count; i++) {
    cr_assert_leq(n + 7 + crumbs[i].len, p->plain);
    n += (size_t)hz_rng_below(rng, 3);
    if (hz_rng_below(rng, 8) == 0) out[n++] = 1;
    out[n++] = 6;
    out[n++] = (uint8_t)(0x40 | crumbs[i].at >> 8);
    out[n++] = (uint8_t)crumbs[i].at;
    out[n++] = (uint8_t)crumbs[i].len;
    memcpy(out + n, hello + crumbs[i].at, crumbs[i].len);
    n += crumbs[i].len;
  }
}

static bool first_in_crumbs(struct sim *sim, const struct sim_datagram *d, void *arg) {
  struct initial *p = arg;
  if (p->total > 0 || strncmp(d->from, QF_CLIENT, strlen(QF_CLIENT)) != 0) return true;
  unseal(p, d);
  crumble(p, sim_rng(sim));
  seal(p);
  return false; /* the test sends it in the client's place */
}

Test(quic_initial, u06_a_client_hello_in_shuffled_crumbs_is_put_together) {
  SIM_FOR_SEEDS(seed, 1, 50) {
    struct initial p = {.total = 0};
    struct qf *f = qf_new(NAME(u06_a_client_hello_in_shuffled_crumbs_is_put_together), seed, &lan);
    qf_listen(f);
    sim_tap(f->sim, first_in_crumbs, &p);
    struct qf_conn *c = qf_dial(f);
    sim_run_for(f->sim, HZ_MS);
    cr_assert_gt(p.total, 0u);
    sim_inject(f->sim, QF_CLIENT ":49152", QF_SERVER ":4433", 0, p.bytes, p.total);
    /* Well before the client would say it again. */
    cr_assert(qf_until(f, &c->opened, 100 * HZ_MS), "%s", c->why.text);
    struct qf_stream *call = qf_call(c, 5000);
    cr_assert(qf_until_true(f, &call->done, HZ_SEC));
    cr_assert_eq(qf_free(f), 0u);
  }
}
