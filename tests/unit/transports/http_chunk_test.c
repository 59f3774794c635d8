/* The chunked coding, read piece by piece. */
#include "transports/http1/chunk.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct hz_limits limits = {.header_bytes = 64, .header_count = 4};
static const char *why;

/* Reads `text` in steps; what was content is put together, `*used` is how much was taken. */
static hz_err read_all(const char *text, size_t len, size_t step, char *content, size_t *used) {
  struct hz_chunks c;
  hz_chunks_init(&c, &limits);
  size_t n = 0;
  content[0] = '\0';
  for (size_t at = 0; at < len;) {
    size_t given = len - at < step ? len - at : step, left = given;
    const uint8_t *data = (const uint8_t *)text + at;
    while (true) {
      struct hz_str piece;
      hz_err err = hz_chunks_read(&c, &data, &left, &piece, &why);
      *used = at + given - left;
      if (err == HZ_AGAIN) break;
      if (err != HZ_OK) return err;
      if (piece.n == 0) return HZ_OK;
      memcpy(content + n, piece.p, piece.n);
      n += piece.n;
      content[n] = '\0';
    }
    at += given;
  }
  return HZ_AGAIN;
}

static void is(hz_err want, const char *text, const char *content, size_t used) {
  for (size_t step = 1; step <= strlen(text); step++) {
    char got[256];
    size_t taken = 0;
    hz_err err = read_all(text, strlen(text), step, got, &taken);
    cr_assert_eq(err, want, "%s by %zu: %d", text, step, (int)err);
    if (content != NULL) cr_assert_str_eq(got, content, "%s by %zu", text, step);
    if (want == HZ_OK) cr_assert_eq(taken, used, "%s by %zu: %zu taken", text, step, taken);
  }
}

Test(http_chunk, content_is_found_at_any_cut_and_what_follows_is_left) {
  is(HZ_OK, "5\r\nhello\r\n0\r\n\r\nGET", "hello", 15);
  is(HZ_OK, "2\r\nhe\r\n00003\r\nllo\r\n000\r\n\r\n", "hello", 26);
  is(HZ_OK, "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 20);
  is(HZ_OK, "1;a;b=c;d=\"e f\"\r\nx\r\n0;z\r\n\r\n", "x", 27);
  is(HZ_OK, "0\r\nA: b\r\nC:\r\n\r\n", "", 15);
}

Test(http_chunk, what_is_not_whole_wants_more) {
  is(HZ_AGAIN, "5\r\nhel", NULL, 0);
  is(HZ_AGAIN, "5\r\nhello\r\n0\r\n", NULL, 0);
  is(HZ_AGAIN, "5", NULL, 0);
}

Test(http_chunk, what_breaks_the_coding_is_refused) {
  static const char *const bad[] = {"\r\n",
                                    "x\r\n",
                                    "5 \r\n",
                                    " 5\r\n",
                                    "+5\r\n",
                                    "0x5\r\n",
                                    "5\n",
                                    "5\r\r\n",
                                    "1\r\nab\r\n",
                                    "1\r\na\n",
                                    "1\r\na\rx",
                                    "1;\x01\r\n",
                                    "1000000000000000\r\n",
                                    "0\r\n x: y\r\n",
                                    "0\r\nx y: z\r\n",
                                    "0\r\n: z\r\n",
                                    "0\r\nx: \x7f\r\n",
                                    "0\r\nx: y\n",
                                    "0\r\n\n"};
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) is(HZ_EPROTO, bad[i], NULL, 0);
  is(HZ_AGAIN, "fffffffffffffff\r\n", NULL, 0); /* 15 digits, the most */
}

Test(http_chunk, trailers_and_extensions_have_bounds) {
  char text[HZ_CHUNK_EXTENSIONS + 64], content[256];
  size_t used;
  is(HZ_ELIMIT, "0\r\na: 1\r\na: 2\r\na: 3\r\na: 4\r\na: 5\r\n\r\n", NULL, 0);
  is(HZ_ELIMIT, "0\r\na: 12345678901234567890123456789012345678901234567890123456789012345\r\n",
     NULL, 0);
  memset(text, 'x', sizeof(text));
  text[0] = '1';
  text[1] = ';';
  cr_assert_eq(read_all(text, 2 + HZ_CHUNK_EXTENSIONS, SIZE_MAX, content, &used), HZ_AGAIN);
  cr_assert_eq(read_all(text, 3 + HZ_CHUNK_EXTENSIONS, SIZE_MAX, content, &used), HZ_ELIMIT);
}

Test(http_chunk, extensions_are_paid_for_by_content) {
  /* 60 bytes of extension with each 64 of content, for ever: nothing piles up. */
  struct hz_chunks c;
  char text[256];
  hz_chunks_init(&c, &limits);
  int n = snprintf(text, sizeof(text), "40;%060d\r\n%064d\r\n", 0, 0);
  for (int i = 0; i < 10000; i++) {
    const uint8_t *data = (const uint8_t *)text;
    size_t len = (size_t)n;
    struct hz_str piece;
    hz_err err;
    while ((err = hz_chunks_read(&c, &data, &len, &piece, &why)) == HZ_OK) {
    }
    cr_assert_eq(err, HZ_AGAIN, "%s", why);
  }
}

Test(http_chunk, trailers_are_kept_for_who_wants_them) {
  static const char text[] = "1\r\nx\r\n0\r\na: b \r\nHost: x\r\nC:\r\nx-Long:\t y z\r\n\r\n";
  struct hz_alloc alloc;
  struct hz_pool pool;
  hz_alloc_init_libc(&alloc);
  cr_assert_eq(hz_pool_init(&pool, &alloc, 0), HZ_OK);
  for (size_t step = 1; step < sizeof(text); step++) {
    struct hz_chunks c;
    struct hz_header t[HZ_H1_TRAILERS_MAX];
    hz_err err = HZ_AGAIN;
    hz_chunks_init(&c, &limits);
    c.pool = &pool;
    for (size_t at = 0; err == HZ_AGAIN || c.left > 0;) {
      size_t left = sizeof(text) - 1 - at < step ? sizeof(text) - 1 - at : step, given = left;
      const uint8_t *data = (const uint8_t *)text + at;
      struct hz_str piece = {NULL, 0};
      do {
        err = hz_chunks_read(&c, &data, &left, &piece, &why);
      } while (err == HZ_OK && piece.n > 0);
      at += given - left;
      if (err == HZ_OK) break;
      cr_assert_eq(err, HZ_AGAIN);
    }
    cr_assert_eq(hz_h1_trailers(&c, t), 3);
    cr_assert(hz_str_eq(t[0].name, HZ_STR("a")) && hz_str_eq(t[0].value, HZ_STR("b")));
    cr_assert(hz_str_eq(t[1].name, HZ_STR("C")) && t[1].value.n == 0);
    cr_assert(hz_str_eq(t[2].name, HZ_STR("x-Long")) && hz_str_eq(t[2].value, HZ_STR("y z")));
    hz_chunks_fini(&c);
  }
  hz_pool_fini(&pool);
}
