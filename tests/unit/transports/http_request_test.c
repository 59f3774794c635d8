/* What an HTTP request asks for: framing, fields, targets, hosts, negotiation. */
#include "transports/http/request.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct hz_header fields[16];
static struct hz_http_incoming in;
static struct hz_http_request out;
static const char *why;

/* A request; `lines`: "name: value" by '\n'. */
static unsigned judge(enum hz_http_version version, const char *method, const char *target,
                      const char *lines) {
  in = (struct hz_http_incoming){.version = version,
                                 .method = hz_str_of(method),
                                 .target = hz_str_of(target),
                                 .fields = fields,
                                 .room = 16};
  while (*lines != '\0') {
    size_t len = strcspn(lines, "\n");
    const char *colon = strstr(lines, ": ");
    fields[in.count].name = (struct hz_str){lines, (size_t)(colon - lines)};
    fields[in.count++].value = (struct hz_str){colon + 2, len - (size_t)(colon + 2 - lines)};
    lines += len + (lines[len] == '\n');
  }
  return hz_http_request_read(&in, &out, &why);
}

static void good(const char *method, const char *target, const char *lines) {
  unsigned status = judge(HZ_HTTP_1_1, method, target, lines);
  cr_assert_eq(status, 0, "%s %s {%s}: %u %s", method, target, lines, status, why);
}

static void bad(unsigned status, const char *method, const char *target, const char *lines) {
  unsigned got = judge(HZ_HTTP_1_1, method, target, lines);
  cr_assert_eq(got, status, "%s %s {%s}: %u %s", method, target, lines, got, why);
  cr_assert(why[0] != '\0');
}

static void has_fields(const char *story) {
  char text[512] = "";
  for (uint32_t i = 0; i < out.rq.header_count; i++)
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s=%.*s;",
             HZ_STR_ARG(out.rq.headers[i].name), HZ_STR_ARG(out.rq.headers[i].value));
  cr_assert_str_eq(text, story);
}

#define HOST "Host: h:4433"

Test(http_request, a_call_is_method_path_and_fields_that_are_its_own) {
  good("GET", "/a?b=c", "X-One: 1\n" HOST "\nCookie: k=v");
  cr_assert(hz_str_eq(out.rq.method, HZ_STR("GET")));
  cr_assert(hz_str_eq(out.rq.path, HZ_STR("/a?b=c")));
  cr_assert(hz_str_eq(out.host, HZ_STR("h:4433")));
  cr_assert_eq(out.rq.body.kind, HZ_BODY_NONE);
  cr_assert_eq(out.framing, HZ_HTTP_NO_CONTENT);
  has_fields("X-One=1;Cookie=k=v;host=h:4433;");
}

Test(http_request, what_is_the_connections_stays_out_of_the_call) {
  good("POST", "/",
       HOST "\nConnection: keep-alive, x-hop\nKeep-Alive: 5\nTE: trailers\nUpgrade: h2c\n"
            "HTTP2-Settings: x\nProxy-Connection: y\nX-Hop: gone\nExpect: 100-continue\n"
            "Transfer-Encoding: Chunked\nX-Stays: 1");
  has_fields("X-Stays=1;host=h:4433;");
  cr_assert_eq(out.framing, HZ_HTTP_CHUNKED);
  cr_assert(out.expect_continue);
  cr_assert_not(out.upgrade, "Connection does not name it");
}

Test(http_request, a_connection_that_names_host_or_length_takes_neither_away) {
  good("POST", "/", HOST "\nConnection: host, content-length\nContent-Length: 5");
  cr_assert_eq(out.length, 5);
  has_fields("host=h:4433;");
}

Test(http_request, content_is_framed_in_one_way_or_refused) {
  good("POST", "/", HOST "\nContent-Length: 12");
  cr_assert_eq(out.framing, HZ_HTTP_LENGTH);
  cr_assert_eq(out.rq.body.kind, HZ_BODY_FOLLOWS);
  cr_assert_eq(out.rq.body.data.n, 12);
  good("POST", "/", HOST "\nContent-Length: 0");
  cr_assert_eq(out.rq.body.kind, HZ_BODY_NONE);
  good("POST", "/", HOST "\nContent-Length: 9223372036854775807");
  bad(400, "POST", "/", HOST "\nContent-Length: 9223372036854775808");
  bad(400, "POST", "/", HOST "\nContent-Length: 99999999999999999999");
  bad(400, "POST", "/", HOST "\nContent-Length: ");
  bad(400, "POST", "/", HOST "\nContent-Length: +5");
  bad(400, "POST", "/", HOST "\nContent-Length: -5");
  bad(400, "POST", "/", HOST "\nContent-Length: 0x5");
  bad(400, "POST", "/", HOST "\nContent-Length: 5, 5");
  bad(400, "POST", "/", HOST "\nContent-Length: 5 5");
  bad(400, "POST", "/", HOST "\nContent-Length: 5\nContent-Length: 5");
  bad(400, "POST", "/", HOST "\nContent-Length: 5\ncontent-length: 6");
  bad(400, "POST", "/", HOST "\nContent-Length: 5\nTransfer-Encoding: chunked");
  bad(400, "POST", "/", HOST "\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked");
  bad(400, "POST", "/", HOST "\nTransfer-Encoding: chunked\nTransfer-Encoding: identity");
  bad(400, "POST", "/", HOST "\nTransfer-Encoding: chunked, chunked");
  bad(400, "POST", "/", HOST "\nTransfer-Encoding: ");
  bad(400, "POST", "/", HOST "\nTransfer-Encoding: ,chunked,");
  bad(501, "POST", "/", HOST "\nTransfer-Encoding: gzip, chunked");
  bad(501, "POST", "/", HOST "\nTransfer-Encoding: xchunked");
  bad(501, "POST", "/", HOST "\nTransfer-Encoding: chunked;q=1");
  bad(501, "POST", "/", HOST "\nTransfer-Encoding: identity");
  cr_assert_eq(judge(HZ_HTTP_1_0, "POST", "/", "Transfer-Encoding: chunked"), 400);
}

Test(http_request, exactly_one_host_and_an_absolute_target_wins) {
  bad(400, "GET", "/", "");
  bad(400, "GET", "/", HOST "\nHost: other");
  bad(400, "GET", "/", HOST "\n" HOST);
  bad(400, "GET", "/", "Host: a b");
  bad(400, "GET", "/", "Host: user@h");
  bad(400, "GET", "/", "Host: h/path");
  good("GET", "/", "Host: ");
  good("GET", "/", "Host: [::1]:80");
  good("GET", "http://real:1/p?q", "Host: other");
  cr_assert(hz_str_eq(out.host, HZ_STR("real:1")));
  cr_assert(hz_str_eq(out.rq.path, HZ_STR("/p?q")));
  has_fields("host=real:1;");
  good("GET", "HTTPS://real", HOST);
  cr_assert(hz_str_eq(out.rq.path, HZ_STR("/")));
  bad(400, "GET", "http://real?x", HOST);
  bad(400, "GET", "http://user@real/", HOST);
  bad(400, "GET", "http:///", HOST);
  bad(400, "GET", "ftp://h/", HOST);
  cr_assert_eq(judge(HZ_HTTP_1_0, "GET", "/", ""), 0);
  cr_assert_eq(out.host.n, 0);
  cr_assert_eq(out.rq.header_count, 0);
}

Test(http_request, targets_are_paths_and_the_asterisk_is_for_options) {
  good("OPTIONS", "*", HOST);
  cr_assert(hz_str_eq(out.rq.path, HZ_STR("*")));
  bad(400, "GET", "*", HOST);
  bad(400, "GET", "", HOST);
  bad(400, "GET", "a", HOST);
  bad(400, "GET", "/a#b", HOST);
  bad(400, "GET", "/a b", HOST);
  bad(400, "GET", "/a\x7f", HOST);
  bad(400, "GET", "/\xff", HOST);
  good("GET", "/\xc3\xbc", HOST);
  bad(501, "CONNECT", "h:443", HOST);
  bad(400, "G T", "/", HOST);
}

Test(http_request, names_are_tokens_and_values_hold_no_control_bytes) {
  bad(400, "GET", "/", HOST "\nX Y: 1");
  bad(400, "GET", "/", HOST "\nX(: 1");
  bad(400, "GET", "/", HOST "\nX\xc3\xbc: 1");
  bad(400, "GET", "/", HOST "\nX: a\rb");
  bad(400, "GET", "/", HOST "\nX: a\x7f");
  bad(400, "GET", "/", HOST "\nX: \xff");
  good("GET", "/", HOST "\nX: a\tb \xc3\xbc");
  in.fields[0].value = (struct hz_str){"a\0b", 3};
  cr_assert_eq(hz_http_request_read(&in, &out, &why), 400, "a NUL");
}

Test(http_request, expectations_other_than_100_continue_fail) {
  good("POST", "/", HOST "\nExpect: 100-Continue\nContent-Length: 1");
  cr_assert(out.expect_continue);
  good("POST", "/", HOST "\nExpect: 100-continue\nContent-Length: 0");
  cr_assert_not(out.expect_continue, "there is nothing to wait for");
  bad(417, "POST", "/", HOST "\nExpect: 200-ok\nContent-Length: 1");
  cr_assert_eq(judge(HZ_HTTP_1_0, "POST", "/", "Expect: x\nContent-Length: 1"), 0);
}

Test(http_request, who_keeps_the_connection) {
  good("GET", "/", HOST);
  cr_assert_not(out.close);
  good("GET", "/", HOST "\nConnection: x\nConnection: Close");
  cr_assert(out.close);
  (void)judge(HZ_HTTP_1_0, "GET", "/", HOST);
  cr_assert(out.close);
  (void)judge(HZ_HTTP_1_0, "GET", "/", HOST "\nConnection: keep-alive");
  cr_assert_not(out.close);
  good("GET", "/", HOST "\nConnection: Upgrade\nUpgrade: websocket");
  cr_assert(out.upgrade);
}

Test(http_request, http3_brings_its_authority_and_no_fields_of_a_connection) {
  struct hz_str authority = HZ_STR("h3:1");
  cr_assert_eq(judge(HZ_HTTP_3, "GET", "/", "x: 1"), 400, "no authority at all");
  in.authority = authority;
  cr_assert_eq(hz_http_request_read(&in, &out, &why), 0);
  has_fields("x=1;host=h3:1;");
  cr_assert_eq(judge(HZ_HTTP_3, "GET", "/", "host: a"), 0);
  (void)judge(HZ_HTTP_3, "GET", "/", "host: a");
  in.count = 1;
  in.authority = authority;
  fields[0] = (struct hz_header){HZ_STR("host"), HZ_STR("a")};
  cr_assert_eq(hz_http_request_read(&in, &out, &why), 400, "they differ");
  cr_assert_eq(judge(HZ_HTTP_3, "GET", "/", "host: a\nX: 1"), 400, "capitals");
  cr_assert_eq(judge(HZ_HTTP_3, "GET", "/", "host: a\nconnection: close"), 400);
  cr_assert_eq(judge(HZ_HTTP_3, "GET", "/", "host: a\ntransfer-encoding: chunked"), 400);
  cr_assert_eq(judge(HZ_HTTP_3, "GET", "/", "host: a\nte: gzip"), 400);
  cr_assert_eq(judge(HZ_HTTP_3, "GET", "/", "host: a\nte: trailers"), 0);
}

Test(http_request, accept_decides_between_json_and_msgpack) {
  static const struct {
    const char *accept;
    bool msgpack;
  } cases[] = {
      {"*/*", false},
      {"application/msgpack", true},
      {"Application/MsgPack ; q=0.1", true},
      {"application/msgpack, application/json", false},
      {"application/json;q=0.9, application/msgpack", true},
      {"application/msgpack;q=0.5, application/json;q=0.6", false},
      {"application/msgpack, */*;q=0.1", true},
      {"application/msgpack;q=0, */*", false},
      {"application/*;q=0.2, application/json;q=0.1", true},
      {"*/*, application/json;q=0.5", true},
      {"text/html", false},
      {"application/msgpack;q=2", false},
      {"application/msgpack;q=1.5", false},
      {"application/msgpack;q=x", false},
      {"application/msgpack;q=0.0001", false},
      {"application/msgpack;level=1;q=0.3", true},
      {",,", false},
      {"", false},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct hz_header h = {HZ_STR("ACCEPT"), hz_str_of(cases[i].accept)};
    cr_assert_eq(hz_http_wants_msgpack(&h, 1), cases[i].msgpack, "%s", cases[i].accept);
  }
  struct hz_header two[2] = {{HZ_STR("accept"), HZ_STR("application/json;q=0.1")},
                             {HZ_STR("accept"), HZ_STR("application/msgpack;q=0.2")}};
  cr_assert(hz_http_wants_msgpack(two, 2));
  cr_assert_not(hz_http_wants_msgpack(NULL, 0));
}
