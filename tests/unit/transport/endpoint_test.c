/* URLs of endpoints. */
#include "core/transport/endpoint.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"

static char why[HZ_ENDPOINT_ERR];
static struct hz_endpoint e;

static hz_err parse(const char *url, enum hz_endpoint_use use) {
  return hz_endpoint_parse(hz_str_of(url), use, &e, why, sizeof(why));
}

static void good(const char *url, enum hz_endpoint_use use, const char *scheme,
                 enum hz_host_kind kind, const char *host, unsigned port, const char *target) {
  cr_assert_eq(parse(url, use), HZ_OK, "%s: %s", url, why);
  cr_assert_str_eq(e.scheme, scheme, "%s", url);
  cr_assert_eq(e.host_kind, kind, "%s", url);
  cr_assert_str_eq(e.host, host, "%s", url);
  cr_assert_eq(e.port, port, "%s", url);
  cr_assert(hz_str_eq(e.target, hz_str_of(target)), "%s", url);
}

static void bad(const char *url, enum hz_endpoint_use use, const char *text) {
  cr_assert_eq(parse(url, use), HZ_EINVAL, "%s was taken", url);
  cr_assert_not_null(strstr(why, text), "%s: %s", url, why);
}

Test(endpoint, every_scheme_parses_with_the_default_port) {
  static const char *const schemes[] = {"quic", "wt",  "h3",   "ws",    "wss",
                                        "tcp",  "tls", "http", "https", "carrier-pigeon"};
  for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
    char url[64];
    snprintf(url, sizeof(url), "%s://example.org/users/42", schemes[i]);
    good(url, HZ_TO_DIAL, schemes[i], HZ_HOST_NAME, "example.org", 4433, "/users/42");
  }
}

Test(endpoint, tells_names_and_addresses_apart) {
  good("quic://localhost:1", HZ_TO_DIAL, "quic", HZ_HOST_NAME, "localhost", 1, "");
  good("quic://127.0.0.1:65535/", HZ_TO_DIAL, "quic", HZ_HOST_IPV4, "127.0.0.1", 65535, "/");
  good("quic://[::1]", HZ_TO_DIAL, "quic", HZ_HOST_IPV6, "::1", 4433, "");
  good("tcp://[2001:db8::7]:80/a?b=c", HZ_TO_DIAL, "tcp", HZ_HOST_IPV6, "2001:db8::7", 80,
       "/a?b=c");
  good("tcp://[fe80::1%eth0]:80", HZ_TO_DIAL, "tcp", HZ_HOST_IPV6, "fe80::1%eth0", 80, "");
  good("ws://my_host-2.example.:80", HZ_TO_DIAL, "ws", HZ_HOST_NAME, "my_host-2.example.", 80, "");
}

Test(endpoint, scheme_and_host_are_folded_to_lower_case_and_the_path_is_not) {
  good("QUIC://Example.ORG/Users", HZ_TO_DIAL, "quic", HZ_HOST_NAME, "example.org", 4433, "/Users");
}

Test(endpoint, to_listen_no_host_means_every_address_and_port_zero_any_port) {
  good("quic://:4433", HZ_TO_LISTEN, "quic", HZ_HOST_ANY, "", 4433, "");
  good("quic://", HZ_TO_LISTEN, "quic", HZ_HOST_ANY, "", 4433, "");
  good("tcp://127.0.0.1:0/", HZ_TO_LISTEN, "tcp", HZ_HOST_IPV4, "127.0.0.1", 0, "");
}

Test(endpoint, a_unix_url_is_a_socket_path_and_after_a_colon_the_requests) {
  good("unix:///run/herz.sock", HZ_TO_LISTEN, "unix", HZ_HOST_PATH, "/run/herz.sock", 0, "");
  good("unix:///run/herz.sock", HZ_TO_DIAL, "unix", HZ_HOST_PATH, "/run/herz.sock", 0, "");
  good("unix:///run/herz.sock:/users/42?x=:/", HZ_TO_DIAL, "unix", HZ_HOST_PATH, "/run/herz.sock",
       0, "/users/42?x=:/");
  good("unix:///tmp/a:b", HZ_TO_DIAL, "unix", HZ_HOST_PATH, "/tmp/a:b", 0, "");
  good("unix:///tmp/a?b", HZ_TO_DIAL, "unix", HZ_HOST_PATH, "/tmp/a?b", 0, "");
}

Test(endpoint, a_name_without_a_port_parses_for_transports_that_have_none) {
  good("mem://bench", HZ_TO_LISTEN, "mem", HZ_HOST_NAME, "bench", 4433, "");
  good("mem://bench/users/42", HZ_TO_DIAL, "mem", HZ_HOST_NAME, "bench", 4433, "/users/42");
}

Test(endpoint, a_refusal_names_the_part_its_value_and_the_remedy) {
  parse("quic://localhost:99999", HZ_TO_DIAL);
  cr_assert_str_eq(why, "port \"99999\" is not a number from 0 to 65535: correct it, or drop ':' "
                        "for 4433");
  parse("quic://:4433", HZ_TO_DIAL);
  cr_assert_str_eq(why, "the URL names no host to dial: write for example quic://localhost:4433");
  parse("localhost:4433", HZ_TO_DIAL);
  cr_assert_str_eq(why, "URL \"localhost:4433\" has no scheme: write SCHEME://HOST:PORT");
}

Test(endpoint, refuses_bad_schemes) {
  bad("", HZ_TO_DIAL, "no scheme");
  bad("quic", HZ_TO_DIAL, "no scheme");
  bad("quic:/x", HZ_TO_DIAL, "no scheme");
  bad("://x", HZ_TO_DIAL, "no scheme");
  bad("9p://x", HZ_TO_DIAL, "is not one");
  bad("qu ic://x", HZ_TO_DIAL, "is not one");
  bad("abcdefghijklmnop://x", HZ_TO_DIAL, "is not one");
}

Test(endpoint, refuses_bad_hosts_and_ports) {
  bad("quic://256.0.0.1", HZ_TO_DIAL, "not an IPv4 address");
  bad("quic://1.2.3", HZ_TO_DIAL, "not an IPv4 address");
  bad("quic://1234567890123456789", HZ_TO_DIAL, "not an IPv4 address");
  bad("quic://[::1", HZ_TO_DIAL, "no closing bracket");
  bad("quic://[]", HZ_TO_DIAL, "not an IPv6 address");
  bad("quic://[1::2::3]", HZ_TO_DIAL, "not an IPv6 address");
  bad("quic://[::1%]", HZ_TO_DIAL, "not an IPv6 address");
  bad("quic://[::1%a/b]", HZ_TO_DIAL, "no closing bracket");
  bad("quic://[::1%a b]", HZ_TO_DIAL, "not an IPv6 address");
  bad("quic://[::1]4433", HZ_TO_DIAL, "write [ADDRESS]:PORT");
  bad("quic://::1", HZ_TO_DIAL, "in brackets");
  bad("quic://a..b", HZ_TO_DIAL, "not a name");
  bad("quic://.", HZ_TO_DIAL, "not an IPv4 address");
  bad("quic://a b", HZ_TO_DIAL, "not a name");
  bad("quic://h\xc3\xa9", HZ_TO_DIAL, "xn--");
  bad("quic://me:secret@host", HZ_TO_DIAL, "user or password");
  bad("quic://a:", HZ_TO_DIAL, "port \"\"");
  bad("quic://a:12x", HZ_TO_DIAL, "port \"12x\"");
  bad("quic://a:-1", HZ_TO_DIAL, "port \"-1\"");
  bad("quic://a:000080", HZ_TO_DIAL, "port \"000080\"");
  bad("quic://a:0", HZ_TO_DIAL, "cannot be dialled");
}

Test(endpoint, refuses_nul_bytes_everywhere) {
  static const struct hz_str urls[] = {
      HZ_STR("quic\0://h"),       HZ_STR("quic://h\0"),       HZ_STR("quic://[::1\0]"),
      HZ_STR("quic://[::1%e\0]"), HZ_STR("quic://1.2.3.4\0"), HZ_STR("quic://h:1\0"),
      HZ_STR("quic://h/\0"),      HZ_STR("unix:///a\0"),      HZ_STR("unix:///a:/\0"),
  };
  for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
    cr_assert_eq(hz_endpoint_parse(urls[i], HZ_TO_DIAL, &e, why, sizeof(why)), HZ_EINVAL, "%zu", i);
  }
}

Test(endpoint, refuses_bad_paths) {
  bad("quic://a?x", HZ_TO_DIAL, "write /?x");
  bad("quic://a/b#c", HZ_TO_DIAL, "fragment");
  bad("quic://a#c", HZ_TO_DIAL, "fragment");
  bad("quic://a/b c", HZ_TO_DIAL, "write it as %20");
  bad("quic://a/\n", HZ_TO_DIAL, "write it as %0A");
  bad("quic://:4433/users", HZ_TO_LISTEN, "where one listens");
  bad("unix://run/herz.sock", HZ_TO_LISTEN, "not absolute");
  bad("unix://", HZ_TO_LISTEN, "not absolute");
  bad("unix:///", HZ_TO_LISTEN, "not absolute");
  bad("unix:///run/\x7f", HZ_TO_LISTEN, "control byte");
  bad("unix:///run/x:/users", HZ_TO_LISTEN, "where one listens");
}

Test(endpoint, lengths_at_the_limit_pass_and_one_more_does_not) {
  char url[HZ_URL_MAX + 2];
  memset(url, 'a', sizeof(url));
  memcpy(url, "quic://h/", 9);
  struct hz_str s = {url, HZ_URL_MAX};
  cr_assert_eq(hz_endpoint_parse(s, HZ_TO_DIAL, &e, NULL, 0), HZ_OK);
  s.n++;
  cr_assert_eq(hz_endpoint_parse(s, HZ_TO_DIAL, &e, why, sizeof(why)), HZ_EINVAL);
  cr_assert_not_null(strstr(why, "the limit is 8192"));

  memcpy(url, "unix:///", 8);
  s.n = 7 + HZ_SOCKET_MAX;
  cr_assert_eq(hz_endpoint_parse(s, HZ_TO_DIAL, &e, NULL, 0), HZ_OK);
  s.n++;
  cr_assert_eq(hz_endpoint_parse(s, HZ_TO_DIAL, &e, NULL, 0), HZ_EINVAL);

  memcpy(url, "quic://", 7);
  memset(url + 7, 'a', sizeof(url) - 7);
  for (size_t i = 7 + 63; i < sizeof(url); i += 64) url[i] = '.';
  s.n = 7 + HZ_HOST_MAX;
  cr_assert_eq(hz_endpoint_parse(s, HZ_TO_DIAL, &e, NULL, 0), HZ_OK);
  cr_assert_eq(strlen(e.host), HZ_HOST_MAX);
  s.n++;
  cr_assert_eq(hz_endpoint_parse(s, HZ_TO_DIAL, &e, NULL, 0), HZ_EINVAL);
}

Test(endpoint, error_texts_are_printable_and_bounded_whatever_the_url) {
  struct hz_rng rng;
  hz_rng_seed(&rng, 5);
  static const char dice[] = "quic://[]:@?#%/unixmem.0:/\x01\x7f\xff \n";
  for (int round = 0; round < 200000; round++) {
    char url[40];
    size_t n = 0;
    if (round % 2 == 0) n = (size_t)snprintf(url, sizeof(url), "quic://");
    size_t end = n + hz_rng_below(&rng, sizeof(url) - n);
    while (n < end) url[n++] = dice[hz_rng_below(&rng, sizeof(dice))];
    if (hz_endpoint_parse((struct hz_str){url, n}, HZ_TO_DIAL, &e, why, sizeof(why)) == HZ_OK) {
      continue;
    }
    cr_assert_lt(strlen(why), sizeof(why) - 1);
    cr_assert_gt(strlen(why), 20);
    for (const char *p = why; *p != '\0'; p++) cr_assert(*p >= 0x20 && *p < 0x7f);
  }
}

Test(endpoint, formats_back_to_a_url_that_parses_to_the_same) {
  static const char *const urls[][2] = {
      {"QUIC://Host", "quic://host:4433"},          {"quic://[::1]:1/a?b", "quic://[::1]:1/a?b"},
      {"tcp://10.0.0.1:5", "tcp://10.0.0.1:5"},     {"unix:///run/x", "unix:///run/x"},
      {"unix:///run/x:/a?b", "unix:///run/x:/a?b"}, {"mem://n/a", "mem://n:4433/a"},
  };
  for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
    char text[128];
    cr_assert_eq(parse(urls[i][0], HZ_TO_DIAL), HZ_OK);
    struct hz_endpoint first = e;
    cr_assert_eq(hz_endpoint_format(&first, text, sizeof(text)), strlen(urls[i][1]));
    cr_assert_str_eq(text, urls[i][1]);
    cr_assert_eq(parse(text, HZ_TO_DIAL), HZ_OK);
    cr_assert(first.host_kind == e.host_kind && first.port == e.port);
    cr_assert_str_eq(first.host, e.host);
    cr_assert(hz_str_eq(first.target, e.target));
  }
  cr_assert_eq(parse("quic://:0", HZ_TO_LISTEN), HZ_OK);
  char small[8];
  cr_assert_eq(hz_endpoint_format(&e, small, sizeof(small)), strlen("quic://:0"));
  cr_assert_str_eq(small, "quic://");
}
