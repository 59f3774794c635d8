/* openat2(2), and what stands in for it. */
#include "core/web/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* O_NONBLOCK: a FIFO without a writer, or a device, must not stop the worker. */
#define FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static int at_once(int root, const char *path) {
  struct open_how how = {.flags = FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};

  return (int)syscall(SYS_openat2, root, path[0] == '\0' ? "." : path, &how, sizeof(how));
}

static bool is_dots(const char *name, size_t n) {
  return n == 2 && name[0] == '.' && name[1] == '.';
}

static int step(int at, const char *name, size_t n, bool last) {
  char one[NAME_MAX + 1];

  if (n > NAME_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  if (is_dots(name, n)) {
    errno = EXDEV;
    return -1;
  }
  memcpy(one, name, n);
  one[n] = '\0';
  return openat(at, n == 0 ? "." : one, FLAGS | O_NOFOLLOW | (last ? 0 : O_DIRECTORY));
}

static int one_by_one(int root, const char *path) {
  int at = root;

  if (path[0] == '/') {
    errno = EXDEV;
    return -1;
  }
  for (bool last = false; !last;) {
    size_t n = strcspn(path, "/");

    last = path[n] == '\0';
    int next = step(at, path, n, last);
    int err = errno;
    if (at != root) (void)close(at);
    errno = err;
    if (next < 0) return -1;
    at = next;
    path += n + (last ? 0 : 1);
  }
  return at;
}

int hz_open_beneath(int root, const char *path, bool by_component) {
  static atomic_bool missing;

  if (!by_component && !atomic_load_explicit(&missing, memory_order_relaxed)) {
    int fd = at_once(root, path);

    /* EPERM: a sandbox that does not know the call. */
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return fd;
    atomic_store_explicit(&missing, errno == ENOSYS, memory_order_relaxed);
  }
  return one_by_one(root, path);
}
