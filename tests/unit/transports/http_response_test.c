/* Heads of responses: which fields leave, and whether content does. */
#include "transports/http/response.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/test_env.h"

static struct test_env env;
static struct hz_http_answering to;
static struct hz_http_response out;

static void setup(void) {
  cr_assert_eq(test_env_init(&env, NULL, 1), HZ_OK);
  to = (struct hz_http_answering){.env = &env.env};
}
static void teardown(void) {
  test_env_fini(&env);
}
TestSuite(http_response, .init = setup, .fini = teardown);

#define DATE "date=Thu, 01 Jan 2026 00:00:00 GMT;"

static void makes(const struct hz_response *rs, const char *story) {
  char text[1024] = "";
  cr_assert_eq(hz_http_response_make(rs, &to, &out), HZ_OK);
  for (uint32_t i = 0; i < out.count; i++)
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s=%.*s;",
             HZ_STR_ARG(out.fields[i].name), HZ_STR_ARG(out.fields[i].value));
  cr_assert_str_eq(text, story);
}

static struct hz_response answer(uint32_t status, enum hz_body_kind kind, const char *body) {
  return (struct hz_response){.status = status, .body = {kind, hz_str_of(body)}};
}

Test(http_response, kinds_of_bodies_have_their_types) {
  struct hz_response rs = answer(200, HZ_BODY_TEXT, "hello");
  makes(&rs, "content-type=text/plain; charset=utf-8;" DATE "content-length=5;");
  cr_assert(out.content && out.known && out.length == 5);
  rs = answer(200, HZ_BODY_BYTES, "x");
  makes(&rs, "content-type=application/octet-stream;" DATE "content-length=1;");
  rs = answer(200, HZ_BODY_VALUE, "\xc0");
  makes(&rs, "content-type=application/msgpack;vary=Accept;" DATE "content-length=1;");
  rs = answer(200, HZ_BODY_NONE, "");
  makes(&rs, DATE "content-length=0;");
  cr_assert_not(out.content);
  rs = answer(200, HZ_BODY_FOLLOWS, NULL);
  makes(&rs, "content-type=application/octet-stream;" DATE);
  cr_assert(out.content && !out.known);
  rs.body.data.n = 70000;
  makes(&rs, "content-type=application/octet-stream;" DATE "content-length=70000;");
  cr_assert(out.content && out.known);
}

Test(http_response, some_answers_have_no_content) {
  struct hz_response rs = answer(204, HZ_BODY_TEXT, "x");
  makes(&rs, DATE);
  cr_assert_not(out.content);
  rs = answer(304, HZ_BODY_FOLLOWS, NULL);
  makes(&rs, DATE);
  cr_assert_not(out.content);
  to.head = true;
  rs = answer(200, HZ_BODY_TEXT, "hello");
  makes(&rs, "content-type=text/plain; charset=utf-8;" DATE "content-length=5;");
  cr_assert_not(out.content, "HEAD");
  rs = answer(200, HZ_BODY_FOLLOWS, NULL);
  makes(&rs, "content-type=application/octet-stream;" DATE);
  cr_assert_not(out.content);
}

Test(http_response, the_handlers_fields_leave_but_none_that_frames) {
  const struct hz_header own[] = {
      {HZ_STR("X-Own"), HZ_STR("1")},
      {HZ_STR("Content-Length"), HZ_STR("99")},
      {HZ_STR("Transfer-Encoding"), HZ_STR("chunked")},
      {HZ_STR("connection"), HZ_STR("close")},
      {HZ_STR("Content-Type"), HZ_STR("application/json")},
      {HZ_STR("upgrade"), HZ_STR("x")},
      {HZ_STR("Keep-Alive"), HZ_STR("1")},
      {HZ_STR("DATE"), HZ_STR("today")},
      {HZ_STR("Trailer"), HZ_STR("x-sum")},
  };
  struct hz_response rs = answer(200, HZ_BODY_TEXT, "{}");
  rs.headers = own;
  rs.header_count = sizeof(own) / sizeof(own[0]);
  makes(&rs, "x-own=1;content-type=application/json;date=today;trailer=x-sum;vary=Accept;"
             "content-length=2;");
}

Test(http_response, vary_is_said_once_and_alt_svc_when_it_is_configured) {
  const struct hz_header own[] = {{HZ_STR("vary"), HZ_STR("Origin, accept")},
                                  {HZ_STR("content-type"), HZ_STR("application/json; charset=x")}};
  struct hz_response rs = answer(200, HZ_BODY_TEXT, "1");
  to.alt_svc = "h3=\":4433\"";
  rs.headers = own;
  rs.header_count = 2;
  makes(&rs, "vary=Origin, accept;content-type=application/json; charset=x;" DATE
             "alt-svc=h3=\":4433\";content-length=1;");
  rs.headers = own + 1;
  rs.header_count = 1;
  makes(&rs, "content-type=application/json; charset=x;vary=Accept;" DATE
             "alt-svc=h3=\":4433\";content-length=1;");
}

Test(http_response, what_http_cannot_say_is_refused) {
  struct hz_response rs = answer(100, HZ_BODY_NONE, "");
  cr_assert_eq(hz_http_response_make(&rs, &to, &out), HZ_EINVAL);
  rs.status = 101;
  cr_assert_eq(hz_http_response_make(&rs, &to, &out), HZ_EINVAL);
  rs.status = 1000;
  cr_assert_eq(hz_http_response_make(&rs, &to, &out), HZ_EINVAL);
  struct hz_header odd = {HZ_STR("a(b"), HZ_STR("1")};
  rs = answer(200, HZ_BODY_NONE, "");
  rs.headers = &odd;
  rs.header_count = 1;
  cr_assert_eq(hz_http_response_make(&rs, &to, &out), HZ_EINVAL);
  odd = (struct hz_header){HZ_STR("a"), HZ_STR("1\r\nx: 2")};
  cr_assert_eq(hz_http_response_make(&rs, &to, &out), HZ_EINVAL);
  struct hz_header many[HZ_HTTP_FIELDS_MAX + 1];
  for (uint32_t i = 0; i <= HZ_HTTP_FIELDS_MAX; i++)
    many[i] = (struct hz_header){HZ_STR("a"), HZ_STR("1")};
  rs.headers = many;
  rs.header_count = HZ_HTTP_FIELDS_MAX + 1;
  cr_assert_eq(hz_http_response_make(&rs, &to, &out), HZ_ETOOBIG);
}

Test(http_response, the_date_follows_the_wall_clock) {
  char text[HZ_HTTP_DATE_LEN + 1];
  hz_http_date(&env.env, text);
  cr_assert_str_eq(text, "Thu, 01 Jan 2026 00:00:00 GMT");
  test_env_advance(&env, 86400 * HZ_SEC * 31 + 61 * HZ_SEC);
  hz_http_date(&env.env, text);
  cr_assert_str_eq(text, "Sun, 01 Feb 2026 00:01:01 GMT");
}
