/* From endpoints to socket addresses, and binding to them: names, stale socket files, ports in use,
 * and what errno means, in words with a remedy. Not here: what is done with the sockets. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transports/common/ev_internal.h"

static hz_err resolve_path(const struct hz_endpoint *ep, struct hz_targets *out, char *why,
                           size_t why_len) {
  struct hz_addr *a = &out->addr[0];
  size_t n = strlen(ep->host);

  if (n == 0 || n >= sizeof(a->u.un.sun_path)) {
    (void)snprintf(why, why_len, "unix socket path \"%s\" has %zu bytes: use 1 to %zu", ep->host, n,
                   sizeof(a->u.un.sun_path) - 1);
    return HZ_EINVAL;
  }
  memset(a, 0, sizeof(*a));
  a->u.un.sun_family = AF_UNIX;
  memcpy(a->u.un.sun_path, ep->host, n);
  a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
  out->count = 1;
  return HZ_OK;
}

/* Dual stack where there is IPv6; machines without it listen on IPv4 alone. */
static void any_address(uint16_t port, struct hz_addr *a) {
  int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  memset(a, 0, sizeof(*a));
  if (fd >= 0) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&a->u;
    (void)close(fd);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    in6->sin6_addr = in6addr_any;
    a->len = sizeof(*in6);
  } else {
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&a->u;
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    a->len = sizeof(*in);
  }
}

hz_err hz_ev_resolve(const struct hz_endpoint *ep, int socktype, bool passive,
                     struct hz_targets *out, char *why, size_t why_len) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = socktype};
  struct addrinfo *found = NULL;
  char port[8];

  out->count = 0;
  if (ep->host_kind == HZ_HOST_PATH) return resolve_path(ep, out, why, why_len);
  if (ep->host[0] == '\0' && passive) {
    any_address(ep->port, &out->addr[0]);
    out->count = 1;
    return HZ_OK;
  }
  hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
  if (ep->host_kind == HZ_HOST_IPV4 || ep->host_kind == HZ_HOST_IPV6)
    hints.ai_flags |= AI_NUMERICHOST;
  (void)snprintf(port, sizeof(port), "%u", (unsigned)ep->port);
  int rc = getaddrinfo(ep->host[0] != '\0' ? ep->host : NULL, port, &hints, &found);
  if (rc != 0) {
    (void)snprintf(why, why_len, "host \"%s\" has no address (%s): check the name", ep->host,
                   rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
    return HZ_ERESOLVE;
  }
  for (struct addrinfo *i = found; i != NULL && out->count < EV_TARGETS; i = i->ai_next) {
    struct hz_addr *a = &out->addr[out->count];
    if (i->ai_addrlen > sizeof(a->u)) continue;
    memset(a, 0, sizeof(*a));
    memcpy(&a->u, i->ai_addr, i->ai_addrlen);
    a->len = i->ai_addrlen;
    out->count++;
  }
  freeaddrinfo(found);
  return out->count > 0 ? HZ_OK : HZ_ERESOLVE;
}

/* --- binding ----------------------------------------------------------------------------------- */

static void describe(const struct hz_addr *at, const char *proto, char *out, size_t len) {
  char text[64];

  if (at->u.sa.sa_family == AF_UNIX) {
    (void)snprintf(out, len, "%s %s", proto, at->u.un.sun_path);
    return;
  }
  hz_addr_format(at, text, sizeof(text));
  (void)snprintf(out, len, "%s %s", proto, text);
}

static hz_err explain_bind(const struct hz_addr *at, const char *proto, int errnum, char *why,
                           size_t why_len) {
  char name[160];

  describe(at, proto, name, sizeof(name));
  switch (errnum) {
    case EADDRINUSE:
      (void)snprintf(
          why, why_len,
          at->u.sa.sa_family == AF_UNIX
              ? "%s is in use: stop the other process or choose another path with --listen"
              : "%s is in use: stop the other process or choose another port with --listen",
          name);
      return HZ_EEXIST;
    case EACCES:
    case EPERM:
      (void)snprintf(why, why_len, "%s: permission denied: choose %s with --listen", name,
                     at->u.sa.sa_family == AF_UNIX ? "a folder that may be written to"
                                                   : "a port above 1023");
      return HZ_EIO;
    case EADDRNOTAVAIL:
      (void)snprintf(why, why_len,
                     "%s: this machine does not have that address: choose another host "
                     "with --listen",
                     name);
      return HZ_EINVAL;
    case EMFILE:
    case ENFILE:
      (void)snprintf(why, why_len, "%s: no descriptors are left: raise the limit (ulimit -n)",
                     name);
      return HZ_EIO;
    case ENOENT:
    case ENOTDIR:
      (void)snprintf(why, why_len, "%s: its folder is not there: make it, or choose another path",
                     name);
      return HZ_EINVAL;
    default:
      (void)snprintf(why, why_len, "%s cannot be bound: %s", name, strerror(errnum));
      return HZ_EIO;
  }
}

/* A socket file without a listener is what a killed process leaves behind: it may go. Anything else
 * at that path is not ours to remove. */
static int remove_if_stale(const struct hz_addr *at) {
  struct stat st;
  int rc = EADDRINUSE;

  if (lstat(at->u.un.sun_path, &st) != 0) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(st.st_mode)) return EADDRINUSE;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return errno;
  if (connect(fd, &at->u.sa, at->len) != 0 && errno == ECONNREFUSED)
    rc = unlink(at->u.un.sun_path) == 0 || errno == ENOENT ? 0 : errno;
  (void)close(fd);
  return rc;
}

static int make_socket(const struct hz_addr *at, int socktype, bool share) {
  int on = 1, off = 0, family = at->u.sa.sa_family;
  int fd = socket(family, socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd < 0) return -1;
  /* On TCP this passes over connections in TIME_WAIT; on UDP it would let two processes share. */
  if (socktype == SOCK_STREAM && family != AF_UNIX)
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (share) (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  if (family == AF_INET6)
    (void)setsockopt(
        fd, IPPROTO_IPV6, IPV6_V6ONLY,
        IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)(const void *)&at->u)->sin6_addr)
            ? &off
            : &on,
        sizeof(on));
  return fd;
}

/* Sharing a port silently with another process is what SO_REUSEPORT would do: one bind without it
 * tells whether the port is free. TCP says so only when it listens as well. */
static int probe(const struct hz_addr *at, int socktype) {
  int errnum = 0;
  int fd = make_socket(at, socktype, false);

  if (fd < 0) return errno;
  if (bind(fd, &at->u.sa, at->len) != 0 || (socktype == SOCK_STREAM && listen(fd, 1) != 0))
    errnum = errno;
  (void)close(fd);
  return errnum;
}

int hz_ev_bind(const struct hz_addr *at, int socktype, enum hz_port_use use, const char *proto,
               hz_err *err, char *why, size_t why_len) {
  bool path = at->u.sa.sa_family == AF_UNIX;
  int errnum = 0, fd = -1;

  if (path) errnum = remove_if_stale(at);
  if (!path && use == HZ_PORT_FIRST && hz_addr_port(at) != 0) errnum = probe(at, socktype);
  if (errnum == 0) {
    fd = make_socket(at, socktype, !path && use != HZ_PORT_ALONE);
    if (fd < 0 || bind(fd, &at->u.sa, at->len) != 0 ||
        (socktype == SOCK_STREAM && listen(fd, SOMAXCONN) != 0))
      errnum = errno;
  }
  if (errnum == 0) return fd;
  if (fd >= 0) (void)close(fd);
  *err = explain_bind(at, proto, errnum, why, why_len);
  return -1;
}

/* --- errno ------------------------------------------------------------------------------------- */

void hz_ev_close_of_errno(struct hz_close *c, int errnum) {
  hz_err err = HZ_EIO;

  switch (errnum) {
    case ECONNRESET:
    case EPIPE: err = HZ_ERESET; break;
    case ECONNREFUSED:
    case ENOENT: /* a socket path that is not there */ err = HZ_EREFUSED; break;
    case ETIMEDOUT: err = HZ_ETIMEOUT; break;
    default: break;
  }
  hz_close_set(c, HZ_BY_NETWORK, HZ_LAYER_OS, (uint64_t)errnum, err, "%s", strerror(errnum));
}
