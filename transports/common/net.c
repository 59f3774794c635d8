/* Socket addresses as text, and the way from an env to its network. Not here: sockets (ev_*.c). */
#include "transports/common/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

const struct hz_net_ops *hz_net_of(struct hz_env *env) {
  return env->ops->net;
}

enum hz_port_use hz_port_use(const struct hz_share *share) {
  if (share->count <= 1) return HZ_PORT_ALONE;
  return share->index == 0 ? HZ_PORT_FIRST : HZ_PORT_JOIN;
}

static const struct sockaddr_in *v4(const struct hz_addr *a) {
  return (const struct sockaddr_in *)(const void *)&a->u;
}

static const struct sockaddr_in6 *v6(const struct hz_addr *a) {
  return (const struct sockaddr_in6 *)(const void *)&a->u;
}

uint16_t hz_addr_port(const struct hz_addr *a) {
  if (a->u.sa.sa_family == AF_INET) return ntohs(v4(a)->sin_port);
  if (a->u.sa.sa_family == AF_INET6) return ntohs(v6(a)->sin6_port);
  return 0;
}

void hz_addr_host(const struct hz_addr *a, char *out, size_t len) {
  const char *text = NULL;

  if (len == 0) return;
  if (a->u.sa.sa_family == AF_INET) {
    text = inet_ntop(AF_INET, &v4(a)->sin_addr, out, (socklen_t)len);
  } else if (a->u.sa.sa_family == AF_INET6) {
    const struct in6_addr *ip = &v6(a)->sin6_addr;
    /* A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d; nobody looks for them by that. */
    text = IN6_IS_ADDR_V4MAPPED(ip) ? inet_ntop(AF_INET, &ip->s6_addr[12], out, (socklen_t)len)
                                    : inet_ntop(AF_INET6, ip, out, (socklen_t)len);
  }
  if (text == NULL) out[0] = '\0';
}

/* A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d; nobody looks for them by that. */
struct hz_addr_small hz_addr_small(const struct hz_addr *a) {
  struct hz_addr_small s = {.port = hz_addr_port(a)};

  if (a->u.sa.sa_family == AF_INET) {
    s.ip_len = 4;
    memcpy(s.ip, &v4(a)->sin_addr, 4);
  } else if (a->u.sa.sa_family == AF_INET6) {
    const uint8_t *ip = v6(a)->sin6_addr.s6_addr;
    bool mapped = IN6_IS_ADDR_V4MAPPED(&v6(a)->sin6_addr);
    s.ip_len = mapped ? 4 : 16;
    memcpy(s.ip, mapped ? ip + 12 : ip, s.ip_len);
  }
  return s;
}

void hz_addr_small_format(const struct hz_addr_small *a, char *out, size_t len) {
  char host[INET6_ADDRSTRLEN];

  if (a->ip_len == 0) {
    (void)snprintf(out, len, "unix");
    return;
  }
  if (inet_ntop(a->ip_len == 4 ? AF_INET : AF_INET6, a->ip, host, sizeof(host)) == NULL)
    host[0] = '\0';
  (void)snprintf(out, len, a->ip_len == 16 ? "[%s]:%u" : "%s:%u", host, (unsigned)a->port);
}

void hz_addr_format(const struct hz_addr *a, char *out, size_t len) {
  const struct hz_addr_small s = hz_addr_small(a);

  hz_addr_small_format(&s, out, len);
}

bool hz_addr_eq(const struct hz_addr *a, const struct hz_addr *b) {
  if (a->u.sa.sa_family != b->u.sa.sa_family) return false;
  if (a->u.sa.sa_family == AF_INET) {
    return v4(a)->sin_port == v4(b)->sin_port && v4(a)->sin_addr.s_addr == v4(b)->sin_addr.s_addr;
  }
  if (a->u.sa.sa_family == AF_INET6) {
    return v6(a)->sin6_port == v6(b)->sin6_port && v6(a)->sin6_scope_id == v6(b)->sin6_scope_id &&
           memcmp(&v6(a)->sin6_addr, &v6(b)->sin6_addr, sizeof(v6(a)->sin6_addr)) == 0;
  }
  return a->len == b->len && memcmp(&a->u, &b->u, a->len) == 0;
}
