/* Output that loses nothing silently: see out.h. */
#include "apps/common/out.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/common/exits.h"

bool out_open(struct out *o, const char *file) {
  *o = (struct out){.fd = STDOUT_FILENO, .name = "standard output"};
  if (file) {
    o->name = file;
    o->fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (o->fd < 0) {
      fail(EXIT_USAGE, "%s: %s; name a file that can be written", file, strerror(errno));
      return false;
    }
  }
  o->terminal = isatty(o->fd) == 1;
  return true;
}

void out_begin(struct out *o) {
  struct stat st;
  bool regular = o->fd != STDOUT_FILENO && fstat(o->fd, &st) == 0 && S_ISREG(st.st_mode);
  if (regular && ftruncate(o->fd, 0) != 0) o->err = errno;
}

bool out_write(struct out *o, const void *data, size_t len) {
  const char *p = data;
  while (len > 0 && !o->err) {
    ssize_t n = write(o->fd, p, len);
    if (n > 0) {
      o->last = p[n - 1];
      o->written += (uint64_t)n;
      p += n;
      len -= (size_t)n;
    } else if (n < 0 && errno == EAGAIN) {
      /* The descriptor may have been made non-blocking by whoever shares it. */
      struct pollfd wait = {.fd = o->fd, .events = POLLOUT};
      poll(&wait, 1, -1);
    } else if (n < 0 && errno != EINTR) {
      o->err = errno;
    }
  }
  return !o->err;
}

int out_close(struct out *o) {
  if (o->fd != STDOUT_FILENO && close(o->fd) != 0 && !o->err) o->err = errno;
  if (!o->err) return EXIT_OK;
  if (o->err == EPIPE) {
    return fail(EXIT_USAGE, "%s was closed by its reader after %" PRIu64 " bytes", o->name,
                o->written);
  }
  return fail(EXIT_USAGE, "cannot write to %s after %" PRIu64 " bytes: %s", o->name, o->written,
              strerror(o->err));
}
