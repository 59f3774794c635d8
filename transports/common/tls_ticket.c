/* Session tickets under keys that every context with the same secret has: workers of one process,
 * nodes with one configuration, a service and the one that follows it. A key serves for a day's tickets
 * and is taken for one more (RFC 5077 5.5; a key's random nonces bound how many it may seal). A
 * ticket also says how many resumptions lie behind it: wolfSSL counts them in a nonce of one byte and
 * fails the handshake after the 255th, so before that one is made in full. Not here: what else is in
 * a ticket and how old it may be, which wolfSSL decides. */
#include "transports/common/tls_internal.h"

#include <string.h>
#include <time.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/memory.h>
#include <wolfssl/wolfcrypt/random.h>

#define DAY_S 86400
#define NONCE_LEN 12u
#define TAG_LEN 16u

#define RESUMED_MAX 250u /* one full handshake, then so many that rest on it */
#define RESUMED_SLOT 1   /* of a session's ex_data; 0 is wolfSSL_set_app_data() */

_Static_assert(NONCE_LEN <= WOLFSSL_TICKET_IV_SZ && TAG_LEN <= WOLFSSL_TICKET_MAC_SZ, "room");

struct day_key {
  uint64_t day; /* 0: none yet */
  uint8_t name[WOLFSSL_TICKET_NAME_SZ], key[32];
};

struct hz_tls_tickets {
  struct hz_alloc *alloc;
  WC_RNG rng;
  uint8_t secret[32];
  struct day_key days[2]; /* by the day's lowest bit: today's and yesterday's */
};

static const struct day_key *key_of(struct hz_tls_tickets *t, uint64_t day) {
  struct day_key *k = &t->days[day & 1];
  uint8_t info[19] = "herz ticket", out[sizeof(k->name) + sizeof(k->key)];

  if (k->day == day) return k;
  for (int i = 0; i < 8; i++) info[11 + i] = (uint8_t)(day >> (56 - 8 * i));
  if (wc_HKDF_Expand(WC_SHA256, t->secret, sizeof(t->secret), info, sizeof(info), out,
                     sizeof(out)) != 0)
    return NULL;
  memcpy(k->name, out, sizeof(k->name));
  memcpy(k->key, out + sizeof(k->name), sizeof(k->key));
  wc_ForceZero(out, sizeof(out));
  k->day = day;
  return k;
}

static uint64_t today(void) {
  return (uint64_t)time(NULL) / DAY_S;
}

/* Either the tag of what was sealed in place, or whether the tag holds for what was opened. */
static bool apply(const struct day_key *k, bool seal, const uint8_t *nonce, uint8_t *tag,
                  uint8_t *data, word32 len) {
  Aes aes;
  bool ok = wc_AesInit(&aes, NULL, INVALID_DEVID) == 0;

  if (!ok) return false;
  ok = wc_AesGcmSetKey(&aes, k->key, sizeof(k->key)) == 0;
  if (ok && seal)
    ok = wc_AesGcmEncrypt(&aes, data, data, len, nonce, NONCE_LEN, tag, TAG_LEN, k->name,
                          sizeof(k->name)) == 0;
  else if (ok)
    ok = wc_AesGcmDecrypt(&aes, data, data, len, nonce, NONCE_LEN, tag, TAG_LEN, k->name,
                          sizeof(k->name)) == 0;
  wc_AesFree(&aes);
  return ok;
}

/* `data` has room for WOLFSSL_TICKET_EXTRA_PADDING_SZ more: one byte of it is ours. */
static int seal(struct hz_tls_tickets *t, WOLFSSL *ssl, uint8_t *name, uint8_t *iv, uint8_t *mac,
                uint8_t *data, int *len) {
  const struct day_key *k = key_of(t, today());

  if (k == NULL || wc_RNG_GenerateBlock(&t->rng, iv, WOLFSSL_TICKET_IV_SZ) != 0)
    return WOLFSSL_TICKET_RET_FATAL;
  memcpy(name, k->name, sizeof(k->name));
  memset(mac, 0, WOLFSSL_TICKET_MAC_SZ);
  data[(*len)++] = (uint8_t)(uintptr_t)wolfSSL_get_ex_data(ssl, RESUMED_SLOT);
  return apply(k, true, iv, mac, data, (word32)*len) ? WOLFSSL_TICKET_RET_OK
                                                     : WOLFSSL_TICKET_RET_FATAL;
}

static bool unsealed(struct hz_tls_tickets *t, const uint8_t *name, const uint8_t *iv, uint8_t *mac,
                     uint8_t *data, int len) {
  uint64_t day = today();

  for (uint64_t ago = 0; ago <= 1; ago++) {
    const struct day_key *k = key_of(t, day - ago);
    if (k == NULL || memcmp(k->name, name, sizeof(k->name)) != 0) continue;
    return apply(k, false, iv, mac, data, (word32)len);
  }
  return false;
}

/* What cannot be opened is no error: the handshake goes on in full. */
static int open_ticket(struct hz_tls_tickets *t, WOLFSSL *ssl, const uint8_t *name,
                       const uint8_t *iv, uint8_t *mac, uint8_t *data, int *len) {
  if (*len == 0 || !unsealed(t, name, iv, mac, data, *len)) return WOLFSSL_TICKET_RET_REJECT;
  unsigned resumed = data[--*len];
  if (resumed >= RESUMED_MAX) return WOLFSSL_TICKET_RET_REJECT;
  return wolfSSL_set_ex_data(ssl, RESUMED_SLOT, (void *)(uintptr_t)(resumed + 1)) == WOLFSSL_SUCCESS
             ? WOLFSSL_TICKET_RET_OK
             : WOLFSSL_TICKET_RET_REJECT;
}

static int on_ticket(WOLFSSL *ssl, unsigned char *name, unsigned char *iv, unsigned char *mac,
                     int enc, unsigned char *ticket, int len, int *out_len, void *arg) {
  *out_len = len;
  return enc != 0 ? seal(arg, ssl, name, iv, mac, ticket, out_len)
                  : open_ticket(arg, ssl, name, iv, mac, ticket, out_len);
}

static int on_unwanted(WOLFSSL *ssl, unsigned char *name, unsigned char *iv, unsigned char *mac,
                       int enc, unsigned char *ticket, int len, int *out_len, void *arg) {
  (void)ssl, (void)name, (void)iv, (void)mac, (void)enc, (void)ticket, (void)arg;
  *out_len = len;
  return WOLFSSL_TICKET_RET_REJECT;
}

hz_err hz_tls_tickets_none(struct hz_tls_ctx *ctx) {
  if (wolfSSL_CTX_set_TicketEncCb(ctx->native, on_unwanted) != WOLFSSL_SUCCESS ||
      wolfSSL_CTX_no_ticket_TLSv13(ctx->native) != 0)
    return HZ_ETLS;
  return HZ_OK;
}

hz_err hz_tls_tickets_new(struct hz_tls_ctx *ctx, const uint8_t *secret) {
  struct hz_tls_tickets *t = hz_new(ctx->alloc, struct hz_tls_tickets);

  if (t == NULL) return HZ_ENOMEM;
  t->alloc = ctx->alloc;
  if (wc_InitRng(&t->rng) != 0) {
    hz_free(ctx->alloc, t);
    return HZ_ENOMEM;
  }
  ctx->tickets = t;
  if (secret != NULL) {
    memcpy(t->secret, secret, sizeof(t->secret));
  } else if (wc_RNG_GenerateBlock(&t->rng, t->secret, sizeof(t->secret)) != 0) {
    return HZ_ETLS;
  }
  if (wolfSSL_CTX_set_TicketEncCb(ctx->native, on_ticket) != WOLFSSL_SUCCESS ||
      wolfSSL_CTX_set_TicketEncCtx(ctx->native, t) != WOLFSSL_SUCCESS)
    return HZ_ETLS;
  return HZ_OK;
}

void hz_tls_tickets_free(struct hz_tls_tickets *t) {
  if (t == NULL) return;
  struct hz_alloc *alloc = t->alloc;

  (void)wc_FreeRng(&t->rng);
  wc_ForceZero(t, sizeof(*t));
  hz_free(alloc, t);
}
