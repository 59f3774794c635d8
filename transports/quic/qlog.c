/* The file behind a qlog. Not here: formats. */
#include "transports/quic/qlog.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct hz_quic_qlog {
  struct hz_alloc *alloc;
  FILE *file;
  size_t written;
};

struct hz_quic_qlog *hz_quic_qlog_open(struct hz_alloc *a, const char *dir, const uint8_t *cid,
                                       size_t cid_len, enum hz_role role) {
  char hex[41], path[4096];
  for (size_t i = 0; i < cid_len && i < 20; i++) (void)snprintf(hex + 2 * i, 3, "%02x", cid[i]);
  hex[cid_len < 20 ? 2 * cid_len : 40] = '\0';
  int n = snprintf(path, sizeof(path), "%s/%s-%s.sqlog", dir, hex,
                   role == HZ_SERVER ? "server" : "client");
  if (n < 0 || (size_t)n >= sizeof(path)) return NULL;
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return NULL;
  struct hz_quic_qlog *q = hz_new(a, struct hz_quic_qlog);
  if (q != NULL) q->file = fdopen(fd, "w");
  if (q == NULL || q->file == NULL) {
    close(fd);
    hz_free(a, q);
    return NULL;
  }
  q->alloc = a;
  return q;
}

void hz_quic_qlog_write(struct hz_quic_qlog *q, const void *data, size_t len) {
  if (q == NULL || len > HZ_QUIC_QLOG_MAX_BYTES - q->written) return;
  q->written += fwrite(data, 1, len, q->file);
}

void hz_quic_qlog_close(struct hz_quic_qlog *q) {
  if (q == NULL) return;
  (void)fclose(q->file); /* a full disk loses a log, nothing else */
  hz_free(q->alloc, q);
}
