/* Addresses between text and bytes. */
#include "core/directory/inet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hz_inet_parse(struct hz_inet *p, const char *text) {
  char host[HZ_INET_TEXT];
  const char *colon = strrchr(text, ':');
  size_t n = colon == NULL ? 0 : (size_t)(colon - text);

  *p = (struct hz_inet){.family = text[0] == '\0' ? HZ_FAMILY_UNKNOWN : HZ_FAMILY_LOCAL};
  if (n == 0 || n >= sizeof(host)) return;
  memcpy(host, text, n);
  host[n] = '\0';
  if (host[0] == '[') {
    host[strcspn(host, "]%")] = '\0';
    if (inet_pton(AF_INET6, host + 1, p->ip) == 1) p->family = HZ_FAMILY_IPV6;
  } else if (inet_pton(AF_INET, host, p->ip) == 1) {
    p->family = HZ_FAMILY_IPV4;
  }
  if (p->family != HZ_FAMILY_LOCAL) p->port = (uint16_t)strtoul(colon + 1, NULL, 10);
}

void hz_inet_format(const struct hz_inet *p, const char *local, char out[HZ_INET_TEXT]) {
  char host[INET6_ADDRSTRLEN] = "";

  switch (p->family) {
    case HZ_FAMILY_IPV4:
      (void)inet_ntop(AF_INET, p->ip, host, sizeof(host));
      (void)snprintf(out, HZ_INET_TEXT, "%s:%u", host, p->port);
      break;
    case HZ_FAMILY_IPV6:
      (void)inet_ntop(AF_INET6, p->ip, host, sizeof(host));
      (void)snprintf(out, HZ_INET_TEXT, "[%s]:%u", host, p->port);
      break;
    default:
      (void)snprintf(out, HZ_INET_TEXT, "%s", p->family == HZ_FAMILY_LOCAL ? local : "");
      break;
  }
}
