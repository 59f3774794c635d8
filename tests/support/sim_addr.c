/* Addresses of the virtual network: parsing, comparing, and the way to and from hz_addr. A socket
 * path is an address of its own family with a hash in place of the number. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/sim_internal.h"

bool sim_ip_parse(const char *text, struct sim_ip *ip) {
  *ip = (struct sim_ip){.family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET};
  return inet_pton(ip->family, text, ip->bytes) == 1;
}

/* "10.0.0.1:4433", "[fd00::1]:4433" */
bool sim_addr_parse(const char *text, struct sim_addr *a) {
  char host[64];
  const char *colon = strrchr(text, ':');
  bool bracket = text[0] == '[';
  if (colon == NULL) return false;
  size_t n = (size_t)(colon - text);
  if (bracket) n = n < 2 ? 0 : n - 2;
  if (n >= sizeof(host)) return false;
  memcpy(host, text + bracket, n);
  host[n] = '\0';
  a->port = (uint16_t)strtoul(colon + 1, NULL, 10);
  return sim_ip_parse(host, &a->ip);
}

bool sim_ip_eq(const struct sim_ip *a, const struct sim_ip *b) {
  return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool sim_addr_eq(const struct sim_addr *a, const struct sim_addr *b) {
  return a->port == b->port && sim_ip_eq(&a->ip, &b->ip);
}

void sim_addr_to_hz(const struct sim_addr *a, struct hz_addr *out) {
  memset(out, 0, sizeof(*out));
  if (a->ip.family == AF_INET6) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&out->u;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(a->port);
    memcpy(&in6->sin6_addr, a->ip.bytes, 16);
    out->len = sizeof(*in6);
  } else if (a->ip.family == AF_INET) {
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&out->u;
    in->sin_family = AF_INET;
    in->sin_port = htons(a->port);
    memcpy(&in->sin_addr, a->ip.bytes, 4);
    out->len = sizeof(*in);
  } else {
    out->u.un.sun_family = AF_UNIX;
    out->len = sizeof(out->u.un);
  }
}

bool sim_addr_from_hz(const struct hz_addr *in, struct sim_addr *out) {
  memset(out, 0, sizeof(*out));
  out->ip.family = in->u.sa.sa_family;
  if (in->u.sa.sa_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)&in->u;
    out->port = ntohs(in6->sin6_port);
    memcpy(out->ip.bytes, &in6->sin6_addr, 16);
    return true;
  }
  const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)&in->u;
  out->port = ntohs(in4->sin_port);
  memcpy(out->ip.bytes, &in4->sin_addr, 4);
  return in->u.sa.sa_family == AF_INET;
}

void sim_addr_text(const struct sim_addr *a, char *out, size_t len) {
  struct hz_addr addr;
  sim_addr_to_hz(a, &addr);
  hz_addr_format(&addr, out, len);
}

static struct sim_ip ip_of_path(const char *path) {
  struct sim_ip ip = {.family = AF_UNIX};
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (const char *p = path; *p != '\0'; p++) hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
  memcpy(ip.bytes, &hash, sizeof(hash));
  return ip;
}

static bool unspecified(const struct sim_ip *ip) {
  static const uint8_t zero[16];
  return memcmp(ip->bytes, zero, sizeof(zero)) == 0;
}

hz_err sim_endpoint(const struct sim_host *h, const struct hz_endpoint *ep, struct sim_addr *out,
                    char *why, size_t why_len) {
  *out = (struct sim_addr){.ip = h->ip, .port = ep->port};
  if (ep->host_kind == HZ_HOST_PATH) {
    *out = (struct sim_addr){.ip = ip_of_path(ep->host)};
    return HZ_OK;
  }
  if (ep->host_kind == HZ_HOST_ANY || strcmp(ep->host, "localhost") == 0) return HZ_OK;
  if (!sim_ip_parse(ep->host, &out->ip)) {
    snprintf(why, why_len, "host \"%s\" has no address: the simulator knows addresses only",
             ep->host);
    return HZ_ERESOLVE;
  }
  if (unspecified(&out->ip)) out->ip = h->ip;
  return HZ_OK;
}

uint16_t sim_free_port(struct sim_host *h) {
  for (;;) {
    uint16_t port = h->next_port;
    h->next_port = port == UINT16_MAX ? 49152 : (uint16_t)(port + 1);
    if (!sim_udp_port_taken(h, port) && !sim_stream_port_taken(h, port)) return port;
  }
}
