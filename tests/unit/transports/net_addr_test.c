/* Addresses as text: what is kept of one says all that is written. Not here: sockets. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

#include "transports/common/net.h"

static struct hz_addr ip(int family, const char *host, uint16_t port) {
  struct hz_addr a = {.len = sizeof(a.u)};
  struct sockaddr_in *in = (struct sockaddr_in *)(void *)&a.u;
  struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&a.u;

  a.u.sa.sa_family = (sa_family_t)family;
  in->sin_port = htons(port); /* at the same place in both */
  cr_assert_eq(
      inet_pton(family, host, family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr),
      1);
  return a;
}

static void reads(struct hz_addr a, const char *text) {
  struct hz_addr_small s = hz_addr_small(&a);
  char out[48];

  hz_addr_small_format(&s, out, sizeof(out));
  cr_assert_str_eq(out, text);
  hz_addr_format(&a, out, sizeof(out));
  cr_assert_str_eq(out, text);
}

Test(net_addr, what_is_kept_reads_like_the_address) {
  reads(ip(AF_INET, "192.0.2.7", 4433), "192.0.2.7:4433");
  reads(ip(AF_INET6, "2001:db8::1", 65535), "[2001:db8::1]:65535");
  reads(ip(AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

Test(net_addr, ipv4_inside_ipv6_is_written_as_ipv4) {
  reads(ip(AF_INET6, "::ffff:198.51.100.3", 80), "198.51.100.3:80");
}

Test(net_addr, a_socket_path_is_unix) {
  struct hz_addr a = {.len = sizeof(a.u)};

  a.u.un.sun_family = AF_UNIX;
  strcpy(a.u.un.sun_path, "/run/herz");
  reads(a, "unix");
}
