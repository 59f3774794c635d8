/* Addresses of peers: from text to bytes and back. */
#include "core/directory/inet.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *back(const char *text, enum hz_family family) {
  static char out[HZ_INET_TEXT];
  struct hz_inet p;

  hz_inet_parse(&p, text);
  cr_assert_eq(p.family, family, "%s is of family %d", text, p.family);
  hz_inet_format(&p, "here", out);
  return out;
}

Test(inet, addresses_come_back_as_they_were) {
  cr_assert_str_eq(back("127.0.0.1:4433", HZ_FAMILY_IPV4), "127.0.0.1:4433");
  cr_assert_str_eq(back("255.255.255.255:65535", HZ_FAMILY_IPV4), "255.255.255.255:65535");
  cr_assert_str_eq(back("[::1]:4433", HZ_FAMILY_IPV6), "[::1]:4433");
  cr_assert_str_eq(back("[2001:db8::ff00:42:8329]:1", HZ_FAMILY_IPV6),
                   "[2001:db8::ff00:42:8329]:1");
  cr_assert_str_eq(back("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", HZ_FAMILY_IPV6),
                   "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

Test(inet, what_has_no_number_is_local) {
  cr_assert_str_eq(back("unix", HZ_FAMILY_LOCAL), "here");
  cr_assert_str_eq(back("mem", HZ_FAMILY_LOCAL), "here");
  cr_assert_str_eq(back("/run/a:b.sock", HZ_FAMILY_LOCAL), "here");
  cr_assert_str_eq(back("[::g]:1", HZ_FAMILY_LOCAL), "here");
  cr_assert_str_eq(
      back("a-name-that-is-longer-than-any-address-could-ever-be-in-text:80", HZ_FAMILY_LOCAL),
      "here");
  cr_assert_str_eq(back("", HZ_FAMILY_UNKNOWN), "");
}

Test(inet, the_zone_of_a_link_local_address_is_left_out) {
  cr_assert_str_eq(back("[fe80::1%eth0]:9", HZ_FAMILY_IPV6), "[fe80::1]:9");
}
