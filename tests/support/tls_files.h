/* Certificates in files of a test's own. Not here: who is given them. */
#ifndef TESTS_SUPPORT_TLS_FILES_H
#define TESTS_SUPPORT_TLS_FILES_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "transports/common/cert.h"

/* A certificate and its key as files, under a folder that the test removes. */
struct tls_files {
  char cert[64], key[64];
  struct hz_cert_pem pem;
};

static inline void tls_write(char *path, size_t size, const char *name, const char *text) {
  (void)snprintf(path, size, "/tmp/herz-%d-%s", (int)getpid(), name);
  FILE *f = fopen(path, "w");
  cr_assert_not_null(f);
  cr_assert(fputs(text, f) >= 0);
  fclose(f);
}

/* `from` and `until` are seconds from now. */
static inline void tls_make(struct tls_files *f, const char *name, const char *cn, long from,
                            long until) {
  const char *dns[] = {cn, NULL}, *ip[] = {"127.0.0.1", "::1", NULL};
  uint64_t now = (uint64_t)time(NULL);
  const struct hz_cert_spec spec = {.common_name = cn,
                                    .dns = dns,
                                    .ip = ip,
                                    .not_before_s = (uint64_t)((long)now + from),
                                    .not_after_s = (uint64_t)((long)now + until)};
  char why[256] = "", file[32];
  cr_assert_eq(hz_cert_make(&spec, &f->pem, why, sizeof(why)), HZ_OK, "%s", why);
  (void)snprintf(file, sizeof(file), "%s.crt", name);
  tls_write(f->cert, sizeof(f->cert), file, f->pem.cert);
  (void)snprintf(file, sizeof(file), "%s.key", name);
  tls_write(f->key, sizeof(f->key), file, f->pem.key);
}

static inline void tls_remove(struct tls_files *f) {
  (void)unlink(f->cert);
  (void)unlink(f->key);
}

#endif
