/* Request bodies: see body.h. */
#include "apps/herz/body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/exits.h"

#define JSON_MAX ((size_t)64 << 20)

/* A slow standard input holds up the connection with it. */
long body_read(struct body *b, void *dst, size_t cap) {
  ssize_t n;
  do {
    n = read(b->fd, dst, cap);
  } while (n < 0 && errno == EINTR);
  if (n < 0)
    b->err = errno;
  else
    b->size += (uint64_t)n;
  return (long)n;
}

static int open_file(struct body *b, const char *name) {
  if (strcmp(name, "-") == 0) {
    b->name = "standard input";
    b->fd = STDIN_FILENO;
    return EXIT_OK;
  }
  b->name = name;
  b->fd = open(name, O_RDONLY | O_CLOEXEC);
  if (b->fd < 0) {
    return fail(EXIT_USAGE, "-d @%s: %s; name a file that can be read", name, strerror(errno));
  }
  return EXIT_OK;
}

char *body_read_all(struct body *b, size_t *len) {
  size_t cap = 1 << 16;
  char *all = malloc(cap);
  *len = 0;
  while (all) {
    long n = body_read(b, all + *len, cap - *len);
    if (n == 0) return all;
    if (n < 0) {
      fail(EXIT_USAGE, "%s: %s", b->name, strerror(b->err));
      break;
    }
    *len += (size_t)n;
    if (*len < cap) continue;
    if (cap >= JSON_MAX) {
      fail(EXIT_USAGE, "%s: over 64 MiB; what has to be there whole may not be longer", b->name);
      break;
    }
    char *more = realloc(all, cap *= 2);
    if (!more) break;
    all = more;
  }
  free(all);
  return NULL;
}

static int convert(struct body *b, const char *json, size_t len) {
  size_t at = 0;
  int err = herz_json_parse(json, len, &b->value, &b->value_len, &at);
  if (err == 0) return EXIT_OK;
  return fail(EXIT_USAGE, "--json: not JSON at byte %zu of %s: %s", at, b->name ? b->name : "-d",
              herz_strerror(err));
}

static int open_json(struct body *b, const char *data, struct herz_request *rq) {
  int code;
  if (b->name) {
    size_t len;
    char *all = body_read_all(b, &len); /* JSON can only be converted whole */
    if (!all) return EXIT_USAGE;
    code = convert(b, all, len);
    free(all);
  } else {
    code = convert(b, data, strlen(data));
  }
  rq->kind = HERZ_BODY_VALUE;
  rq->body = b->value;
  rq->body_len = b->value_len;
  b->size = b->value_len;
  return code;
}

int body_open(struct body *b, const char *data, bool json, struct herz_request *rq) {
  *b = (struct body){.fd = -1};
  if (!data) return json ? fail(EXIT_USAGE, "--json: give -d DATA as well") : EXIT_OK;
  if (data[0] == '@') {
    int code = open_file(b, data + 1);
    if (code != EXIT_OK) return code;
  }
  if (json) return open_json(b, data, rq);
  rq->kind = HERZ_BODY_BYTES;
  if (b->name) return EXIT_OK;
  rq->body = data;
  rq->body_len = strlen(data);
  b->size = rq->body_len;
  return EXIT_OK;
}

bool body_follows(const struct body *b) {
  return b->name && !b->value;
}

void body_close(struct body *b) {
  if (b->fd > STDIN_FILENO) close(b->fd);
  free(b->value);
  *b = (struct body){.fd = -1};
}
