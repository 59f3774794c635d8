/* Making a self-signed certificate and reading what a certificate says about itself, by wolfCrypt.
 * Not here: files' places and ages (apps/herzd), trust (tls.c). */
#include "transports/common/cert.h"

#include <wolfssl/options.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/coding.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/memory.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/sha256.h>

#define DAY_S UINT64_C(86400)
#define HOUR_S UINT64_C(3600)
#define FILE_MAX ((size_t)256 * 1024)

/* DER tags of a SubjectAltName's entries and of dates. */
enum { TAG_SEQUENCE = 0x30, TAG_DNS = 0x82, TAG_IP = 0x87, TAG_UTC_TIME = 0x17 };

static hz_err explain(int rc, const char *doing, char *why, size_t why_len) {
  (void)snprintf(why, why_len, "%s failed: %s (%d)", doing, wc_GetErrorString(rc), rc);
  return HZ_EINTERNAL;
}

/* --- names and dates --------------------------------------------------------------------------- */

/* One entry behind the others; the sequence's own header is put in front afterwards. */
static bool add_name(byte *out, size_t size, size_t *used, byte tag, const void *value, size_t n) {
  if (n == 0 || n > 127 || *used + 2 + n > size) return false;
  out[(*used)++] = tag;
  out[(*used)++] = (byte)n;
  memcpy(out + *used, value, n);
  *used += n;
  return true;
}

static bool add_address(byte *out, size_t size, size_t *used, const char *text) {
  struct in6_addr ip6;
  struct in_addr ip4;

  if (inet_pton(AF_INET, text, &ip4) == 1)
    return add_name(out, size, used, TAG_IP, &ip4, sizeof(ip4));
  if (inet_pton(AF_INET6, text, &ip6) == 1)
    return add_name(out, size, used, TAG_IP, &ip6, sizeof(ip6));
  return false;
}

static hz_err set_names(Cert *cert, const struct hz_cert_spec *spec, char *why, size_t why_len) {
  byte names[512];
  size_t n = 0, head = 0;

  for (size_t i = 0; spec->dns[i] != NULL; i++) {
    if (add_name(names, sizeof(names), &n, TAG_DNS, spec->dns[i], strlen(spec->dns[i]))) continue;
    (void)snprintf(why, why_len, "name \"%s\" cannot stand in a certificate", spec->dns[i]);
    return HZ_EINVAL;
  }
  for (size_t i = 0; spec->ip[i] != NULL; i++) {
    if (add_address(names, sizeof(names), &n, spec->ip[i])) continue;
    (void)snprintf(why, why_len, "\"%s\" is not an address", spec->ip[i]);
    return HZ_EINVAL;
  }
  cert->altNames[head++] = TAG_SEQUENCE;
  if (n > 255) {
    cert->altNames[head++] = 0x82;
    cert->altNames[head++] = (byte)(n >> 8);
  } else if (n > 127) {
    cert->altNames[head++] = 0x81;
  }
  cert->altNames[head++] = (byte)(n & 0xff);
  memcpy(cert->altNames + head, names, n);
  cert->altNamesSz = (int)(head + n);
  if (strlen(spec->common_name) >= sizeof(cert->subject.commonName)) {
    (void)snprintf(why, why_len, "common name \"%s\" is too long", spec->common_name);
    return HZ_EINVAL;
  }
  memcpy(cert->subject.commonName, spec->common_name, strlen(spec->common_name) + 1);
  return HZ_OK;
}

static int put_date(byte *out, uint64_t seconds) {
  time_t t = (time_t)seconds;
  struct tm tm;
  char text[32];

  (void)gmtime_r(&t, &tm);
  size_t n = strftime(text, sizeof(text), "%y%m%d%H%M%SZ", &tm);
  out[0] = TAG_UTC_TIME;
  out[1] = (byte)n;
  memcpy(out + 2, text, n);
  return (int)n + 2;
}

/* --- making ------------------------------------------------------------------------------------ */

struct maker {
  WC_RNG rng;
  ecc_key key;
  Cert cert;
  byte der[1536];
  bool has_rng, has_key;
};

static int sign(struct maker *m, const struct hz_cert_spec *spec) {
  Cert *c = &m->cert;
  int rc;

  c->sigType = CTC_SHA256wECDSA;
  c->isCA = 0;
  c->beforeDateSz = put_date(c->beforeDate, spec->not_before_s);
  c->afterDateSz = put_date(c->afterDate, spec->not_after_s);
  /* No key usage: it would have to name the signing of certificates, or verifiers would not take this
   * one for its own issuer (RFC 5280 4.2.1.3); and that a leaf may not claim. */
  rc = wc_SetExtKeyUsage(c, "serverAuth,clientAuth");
  if (rc == 0) rc = wc_SetSubjectKeyIdFromPublicKey_ex(c, ECC_TYPE, &m->key);
  if (rc == 0) rc = wc_SetAuthKeyIdFromPublicKey_ex(c, ECC_TYPE, &m->key);
  if (rc == 0) rc = wc_MakeCert_ex(c, m->der, sizeof(m->der), ECC_TYPE, &m->key, &m->rng);
  if (rc < 0) return rc;
  return wc_SignCert_ex(c->bodySz, c->sigType, m->der, sizeof(m->der), ECC_TYPE, &m->key, &m->rng);
}

static int write_pem(struct maker *m, int der_len, struct hz_cert_pem *out) {
  byte key[256];
  int rc =
      wc_DerToPem(m->der, (word32)der_len, (byte *)out->cert, sizeof(out->cert) - 1, CERT_TYPE);

  if (rc < 0) return rc;
  out->cert[rc] = '\0';
  rc = wc_EccKeyToDer(&m->key, key, sizeof(key));
  if (rc > 0)
    rc = wc_DerToPem(key, (word32)rc, (byte *)out->key, sizeof(out->key) - 1, ECC_PRIVATEKEY_TYPE);
  wc_ForceZero(key, sizeof(key));
  if (rc > 0) out->key[rc] = '\0';
  return rc;
}

static hz_err make(struct maker *m, const struct hz_cert_spec *spec, struct hz_cert_pem *out,
                   char *why, size_t why_len) {
  int rc = wc_InitRng(&m->rng);

  m->has_rng = rc == 0;
  if (rc == 0) rc = wc_ecc_init(&m->key);
  m->has_key = rc == 0 && m->has_rng;
  if (rc == 0) rc = wc_ecc_make_key_ex(&m->rng, 32, &m->key, ECC_SECP256R1);
  if (rc == 0) rc = wc_InitCert(&m->cert);
  if (rc != 0) return explain(rc, "making a key", why, why_len);
  hz_err err = set_names(&m->cert, spec, why, why_len);
  if (err != HZ_OK) return err;
  rc = sign(m, spec);
  if (rc > 0) rc = write_pem(m, rc, out);
  if (rc <= 0) return explain(rc, "making a certificate", why, why_len);
  return hz_cert_read(out->cert, strlen(out->cert), &out->info);
}

hz_err hz_cert_make(const struct hz_cert_spec *spec, struct hz_cert_pem *out, char *why,
                    size_t why_len) {
  struct maker *m = calloc(1, sizeof(*m));

  memset(out, 0, sizeof(*out));
  if (m == NULL) {
    (void)snprintf(why, why_len, "no memory for a certificate");
    return HZ_ENOMEM;
  }
  hz_err err = make(m, spec, out, why, why_len);
  if (m->has_key) wc_ecc_free(&m->key);
  if (m->has_rng) wc_FreeRng(&m->rng);
  free(m);
  return err;
}

hz_err hz_cert_make_dev(uint64_t now_s, struct hz_cert_pem *out, char *why, size_t why_len) {
  char host[64] = "";
  const char *dns[] = {"localhost", host, NULL};
  const char *ip[] = {"127.0.0.1", "::1", NULL};
  struct hz_cert_spec spec = {.common_name = "localhost", .dns = dns, .ip = ip};

  (void)gethostname(host, sizeof(host) - 1);
  if (host[0] == '\0' || strcmp(host, "localhost") == 0) dns[1] = NULL;
  spec.not_before_s = now_s - HOUR_S;
  spec.not_after_s = now_s + HZ_CERT_DEV_DAYS * DAY_S + HOUR_S;
  return hz_cert_make(&spec, out, why, why_len);
}

/* --- reading ----------------------------------------------------------------------------------- */

static hz_err fingerprint(const DerBuffer *der, char out[48]) {
  byte digest[WC_SHA256_DIGEST_SIZE];
  word32 n = 47;

  if (wc_Sha256Hash(der->buffer, der->length, digest) != 0) return HZ_EINTERNAL;
  if (Base64_Encode_NoNl(digest, sizeof(digest), (byte *)out, &n) != 0) return HZ_EINTERNAL;
  out[n] = '\0';
  return HZ_OK;
}

/* `date` as in the certificate, without tag and length: YYMMDDhhmmssZ or YYYYMMDDhhmmssZ. */
static uint64_t parse_date(const WOLFSSL_ASN1_TIME *date) {
  struct tm tm;
  if (date == NULL || wolfSSL_ASN1_TIME_to_tm(date, &tm) != WOLFSSL_SUCCESS) return 0;
  time_t t = timegm(&tm);
  return t < 0 ? 0 : (uint64_t)t;
}

hz_err hz_cert_read(const char *pem, size_t len, struct hz_cert_info *out) {
  DerBuffer *der = NULL;
  hz_err err = HZ_ETLS;

  memset(out, 0, sizeof(*out));
  if (wc_PemToDer((const byte *)pem, (long)len, CERT_TYPE, &der, NULL, NULL, NULL) != 0)
    return HZ_ETLS;
  WOLFSSL_X509 *x = wolfSSL_X509_d2i(NULL, der->buffer, (int)der->length);
  if (x != NULL) {
    const char *name = wolfSSL_X509_get_subjectCN(x);
    (void)snprintf(out->subject, sizeof(out->subject), "%s", name == NULL ? "" : name);
    out->not_before_s = parse_date(wolfSSL_X509_get_notBefore(x));
    out->not_after_s = parse_date(wolfSSL_X509_get_notAfter(x));
    err = fingerprint(der, out->sha256);
    wolfSSL_X509_free(x);
  }
  wc_FreeDer(&der);
  return err;
}

hz_err hz_cert_read_file(const char *file, struct hz_cert_info *out, char *why, size_t why_len) {
  FILE *f = fopen(file, "rbe");
  char *pem = malloc(FILE_MAX);
  hz_err err = HZ_ETLS;

  if (f == NULL || pem == NULL) {
    (void)snprintf(why, why_len, "certificate %s cannot be read: %s", file, strerror(errno));
  } else {
    size_t n = fread(pem, 1, FILE_MAX, f);
    err = hz_cert_read(pem, n, out);
    if (err != HZ_OK) (void)snprintf(why, why_len, "%s holds no PEM certificate", file);
  }
  if (f != NULL) (void)fclose(f);
  free(pem);
  return err;
}

bool hz_cert_expiring(const struct hz_cert_info *info, uint64_t now_s) {
  return now_s < info->not_before_s || now_s + DAY_S >= info->not_after_s;
}
