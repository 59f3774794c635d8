/* QPACK that is wrong, or made to cost much: strings, tables, and the two streams of instructions. RFC 9204
 * says which code. Not here: frames and messages (h3_abuse_test.c), floods (h3_flood_test.c). */
#include "tests/support/h3_world.h"

#define START(test) h3_world_start("h3_qpack/" #test, NULL, true)

/* GET https / of the static table, and :authority a: what follows is the case's. */
#define HEAD "\0\0\xd1\xd7\xc1\x50\x01\x61"

struct bytes {
  const char *p;
  size_t n;
};
#define B(lit) \
  { (lit), sizeof(lit) - 1 }

/* One field section, whole: the connection ends. */
static void section_fails(const struct bytes *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    struct h3_world *w = START(section_fails);
    uint8_t b[128];
    size_t n = h3_frame(b, 0, 1, cases[i].p, cases[i].n);
    struct h3_call *c = h3_stream(&w->h, HZ_BIDI, b, n, true);
    cr_assert(h3_closed(&w->h), "section %zu was taken: %d", i, c->status);
    cr_assert_eq(w->h.why.code, NGHTTP3_QPACK_DECOMPRESSION_FAILED, "section %zu: %s", i,
                 w->h.why.text);
    cr_assert_eq(c->heads, 0u);
    h3_world_stop(w);
  }
}

/* `stream` 1: the encoder's instructions, 2: the decoder's. */
static void stream_fails(int stream, const struct bytes *cases, size_t count, uint64_t code) {
  for (size_t i = 0; i < count; i++) {
    struct h3_world *w = START(stream_fails);
    h3_send(&w->h.calls[stream], cases[i].p, cases[i].n, false);
    cr_assert(h3_closed(&w->h), "instructions %zu were taken", i);
    cr_assert_eq(w->h.why.code, code, "instructions %zu: %s", i, w->h.why.text);
    h3_world_stop(w);
  }
}
#define COUNT(cases) (sizeof(cases) / sizeof((cases)[0]))

Test(h3_qpack, a_section_as_these_cases_are_made_is_taken) {
  struct h3_world *w = START(a_section_as_these_cases_are_made_is_taken);
  static const char good[] = HEAD "\x21x\x82\x38\xff\x29\x1f\x01y"; /* Huffman: "oa", 'a' */
  uint8_t b[128];
  size_t n = h3_frame(b, 0, 1, good, sizeof(good) - 1);
  struct h3_call *c = h3_stream(&w->h, HZ_BIDI, b, n, true);
  cr_assert(h3_done(c), "%s", w->h.why.text);
  cr_assert_eq(c->status, 404);
  h3_world_stop(w);
}

Test(h3_qpack, huffman_that_is_none_ends_the_connection) {
  static const struct bytes cases[] = {
      B(HEAD "\x29\x18\x01y"),             /* a name, padded with zeros */
      B(HEAD "\x21x\x81\x18"),             /* a value, the same */
      B(HEAD "\x21x\x84\xff\xff\xff\xff"), /* EOS */
      B(HEAD "\x21x\x82\x3f\xff"),         /* more than seven bits of padding */
      B(HEAD "\x21x\x82\xff\xff"),         /* nothing but padding */
      B(HEAD "\x50\x82\xff\xfe"),          /* cut inside a character, behind a name of the table */
  };
  section_fails(cases, COUNT(cases));
}

Test(h3_qpack, sections_that_are_cut_or_point_nowhere_end_the_connection) {
  static const struct bytes cases[] = {
      B(HEAD "\x21x\x05"
             "ab"),                                           /* a value cut */
      B(HEAD "\x24x"),                                        /* a name cut */
      B("\0"),                                                /* a prefix cut */
      B(HEAD "\xff\x40"),                                     /* behind the static table's end */
      B(HEAD "\x27\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), /* a length over 2^62 */
      B("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\0"),    /* so many insertions */
      B(HEAD "\x10"),                                         /* of a table that is empty */
  };
  section_fails(cases, COUNT(cases));
}

#define TABLE "\x3f\xe1\x1f" /* capacity 4096 */

Test(h3_qpack, insertions_that_are_wrong_end_the_connection) {
  static const struct bytes cases[] = {
      B("\x3f\xe2\x1f"),                    /* capacity over what was offered (H04) */
      B("\x41x\x01y"),                      /* there is no table yet */
      B(TABLE "\x61\x18\x01y"),             /* Huffman padded with zeros */
      B(TABLE "\x41x\x84\xff\xff\xff\xff"), /* EOS */
      B(TABLE "\x41x\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
      B(TABLE "\x00"),          /* a copy of nothing */
      B(TABLE "\x80\x01x"),     /* a name that is not there */
      B(TABLE "\xff\x40\x01x"), /* nor in the static table */
  };
  stream_fails(1, cases, COUNT(cases), NGHTTP3_QPACK_ENCODER_STREAM_ERROR);
}

Test(h3_qpack, acknowledgements_of_what_was_not_sent_end_the_connection) {
  static const struct bytes cases[] = {
      B("\x00"),     /* so many insertions more: none (H06) */
      B("\x3f\x7f"), /* more than were made */
      B("\x80"),     /* a section that was never sent */
  };
  stream_fails(2, cases, COUNT(cases), NGHTTP3_QPACK_DECODER_STREAM_ERROR);
}

/* `unit` again and again in `bytes` of instructions that no request needs. Each costs its sender as much as
 * us; what they make has its bound, and after 128 KiB of nothing else the connection ends. */
static void instructions_without_end(const char *name, struct bytes unit) {
  struct h3_world *w = h3_world_start(name, NULL, true);
  static uint8_t b[15000];
  size_t n = 0, sent = 0;
  h3_send(&w->h.calls[1], TABLE, 3, false);
  for (; n + unit.n <= sizeof(b); n += unit.n) memcpy(b + n, unit.p, unit.n);
  while (!w->h.closed && sent < 1000000) {
    h3_send(&w->h.calls[1], b, n, false);
    sent += n;
    sim_run_for(w->p.sim, 50 * HZ_MS);
  }
  cr_assert_leq(sim_alloc(w->p.server_env)->peak_bytes, w->before + (600u << 10));
  h3_world_ends(w, NGHTTP3_QPACK_ENCODER_STREAM_ERROR);
}

Test(h3_qpack, instructions_without_end_and_without_use_end_the_connection) {
  instructions_without_end("h3_qpack/insertions", (struct bytes)B("\x41x\x01y"));
  instructions_without_end("h3_qpack/copies", (struct bytes)B("\x41x\x01y\x00"));
  instructions_without_end("h3_qpack/capacities", (struct bytes)B(TABLE "\x41x\x01y\x20"));
}

Test(h3_qpack, an_insertion_that_is_longer_than_the_table_ends_the_connection) {
  struct h3_world *w = START(an_insertion_that_is_longer_than_the_table_ends_the_connection);
  uint8_t b[5200] = TABLE "\x41x\x7f\x89\x26"; /* 5000 bytes */
  memset(b + 8, 'v', sizeof(b) - 8);
  h3_send(&w->h.calls[1], b, 8 + 5000, false);
  h3_world_ends(w, NGHTTP3_QPACK_ENCODER_STREAM_ERROR);
}
