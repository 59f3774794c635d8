/* The body of a request out of -d: text, a file, standard input, as bytes or as a value. */
#ifndef APPS_HERZ_BODY_H
#define APPS_HERZ_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include <herz/herz.h>

struct body {
  const char *name; /* of the file, for messages; NULL: no file */
  int fd;
  int err;       /* errno of a failed read */
  uint64_t size; /* bytes handed over so far */
  void *value;   /* msgpack made of JSON */
  size_t value_len;
};

/** Reads what -d says ("TEXT", "@FILE", "@-"; NULL: no body); `json`: it is JSON text, sent as a
 * msgpack value. Sets the body members of `rq`, but its source: a file that is not JSON has to be read
 * by body_read() while it leaves. EXIT_OK, or an exit code after saying why. */
int body_open(struct body *b, const char *data, bool json, struct herz_request *rq);

/** True: the body is a file that is still to be read. */
bool body_follows(const struct body *b);

/** Up to `cap` more bytes of the file; 0 at its end, negative when it failed (`err`). */
long body_read(struct body *b, void *dst, size_t cap);

/** All of the file, malloc()ed; NULL after saying why. Over 64 MiB is refused. */
char *body_read_all(struct body *b, size_t *len);

void body_close(struct body *b);

#endif
