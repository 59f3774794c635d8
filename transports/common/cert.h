/* The self-signed certificate that --dev makes on the spot, and reading validity and fingerprint of
 * any PEM certificate. Not here: where it is kept, and when it is made anew (apps/herzd). */
#ifndef TRANSPORTS_COMMON_CERT_H
#define TRANSPORTS_COMMON_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

/** Browsers take a certificate by its hash (serverCertificateHashes) only when it is valid for at
 * most 14 days and its key is ECDSA P-256: 13 days from now leave room for wrong clocks. */
#define HZ_CERT_DEV_DAYS 13

struct hz_cert_info {
  uint64_t not_before_s, not_after_s; /* seconds since 1970, UTC */
  char sha256[48];                    /* of the DER, base64, NUL-terminated */
  char subject[64];                   /* common name */
};

struct hz_cert_pem {
  char cert[2048]; /* NUL-terminated */
  char key[512];   /* SEC1 "EC PRIVATE KEY"; the file belongs to mode 0600 */
  struct hz_cert_info info;
};

struct hz_cert_spec {
  const char *common_name;
  const char *const *dns; /* NULL-terminated */
  const char *const *ip;  /* literals, NULL-terminated */
  uint64_t not_before_s, not_after_s;
};

/** Makes a key pair and a self-signed certificate. HZ_EINVAL (a name is too long, an address is
 * none), HZ_EINTERNAL (the crypto library failed: `why` has its words). */
HZ_MUST_USE hz_err hz_cert_make(const struct hz_cert_spec *spec, struct hz_cert_pem *out, char *why,
                                size_t why_len);

/** The development certificate: from an hour before `now_s` to an hour after HZ_CERT_DEV_DAYS; for
 * localhost, 127.0.0.1, ::1 and the machine's host name. */
HZ_MUST_USE hz_err hz_cert_make_dev(uint64_t now_s, struct hz_cert_pem *out, char *why,
                                    size_t why_len);

/** Reads the first certificate of a PEM text or file. HZ_ETLS: none there, or not readable. */
HZ_MUST_USE hz_err hz_cert_read(const char *pem, size_t len, struct hz_cert_info *out);
HZ_MUST_USE hz_err hz_cert_read_file(const char *file, struct hz_cert_info *out, char *why,
                                     size_t why_len);

/** Whether a certificate is of no use any more, or not for another day: time for a new one. */
bool hz_cert_expiring(const struct hz_cert_info *info, uint64_t now_s);

#endif
