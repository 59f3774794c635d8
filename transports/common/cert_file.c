/* The development certificate as files: made when there is none, or none that lasts another day.
 * Not here: making it (cert.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/include/herz/herz.h"
#include "transports/common/cert.h"

#define DAY_S 86400u

/* Written beside and renamed: a reader never sees half a file. */
static int write_file(const char *path, const char *text, mode_t mode, char *why, size_t why_len) {
  char temporary[4096];
  size_t len = strlen(text);
  int fd;

  if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary)) {
    (void)snprintf(why, why_len, "%s: the path is too long", path);
    return HERZ_EINVAL;
  }
  fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  bool ok = fd >= 0 && fchmod(fd, mode) == 0 && write(fd, text, len) == (ssize_t)len;
  if (fd >= 0 && close(fd) != 0) ok = false;
  if (ok && rename(temporary, path) == 0) return 0;
  (void)snprintf(why, why_len, "%s cannot be written: %s", path, strerror(errno));
  (void)unlink(temporary);
  return HERZ_EIO;
}

static void describe(const struct hz_cert_info *info, uint64_t now_s, char *sha256,
                     size_t sha256_len, int *days_left) {
  (void)snprintf(sha256, sha256_len, "%s", info->sha256);
  if (days_left != NULL) *days_left = (int)((info->not_after_s - now_s) / DAY_S);
}

int herz_dev_certificate(const char *cert_file, const char *key_file, char *sha256,
                         size_t sha256_len, int *days_left, char *why, size_t why_len) {
  uint64_t now_s = (uint64_t)time(NULL);
  struct hz_cert_info info;
  struct hz_cert_pem pem;
  int err;

  if (access(key_file, R_OK) == 0 && hz_cert_read_file(cert_file, &info, NULL, 0) == HZ_OK &&
      !hz_cert_expiring(&info, now_s)) {
    describe(&info, now_s, sha256, sha256_len, days_left);
    return 0;
  }
  err = (int)hz_cert_make_dev(now_s, &pem, why, why_len);
  /* The key first: a certificate without its key would be taken for a good one. */
  if (err == 0) err = write_file(key_file, pem.key, 0600, why, why_len);
  if (err == 0) err = write_file(cert_file, pem.cert, 0644, why, why_len);
  if (err == 0) describe(&pem.info, now_s, sha256, sha256_len, days_left);
  explicit_bzero(pem.key, sizeof(pem.key));
  return err;
}
