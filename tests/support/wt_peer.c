/* The hand-made client of WebTransport. */
#include "tests/support/wt_peer.h"

#include <criterion/criterion.h>
#include <string.h>

void wt_connect(struct h3_peer *h, struct app_pair *p) {
  h3_connect(h, p, false);
  h3_introduce_as(h, WT_SETTINGS, sizeof(WT_SETTINGS) - 1);
  sim_run_for(p->sim, 100 * HZ_MS);
}

struct h3_call *wt_ask(struct h3_peer *h, const char *path, const char *more) {
  uint8_t head[2048];
  char lines[1024];
  (void)snprintf(lines, sizeof(lines), ":protocol: webtransport\n%s", more == NULL ? "" : more);
  struct h3_call *c =
      h3_stream(h, HZ_BIDI, head, h3_request_head(head, "CONNECT", path, lines), false);
  sim_run_for(h->p->sim, 100 * HZ_MS);
  return c;
}

struct h3_call *wt_session(struct h3_peer *h, const char *path) {
  struct h3_call *c = wt_ask(h, path, NULL);
  cr_assert_eq(c->status, 200, "%d", c->status);
  return c;
}

uint64_t wt_id(const struct h3_call *c) {
  return c->id;
}

struct h3_call *wt_stream(struct h3_peer *h, uint64_t id, enum hz_dir dir, const void *data,
                          size_t len, bool fin) {
  static uint8_t bytes[100000];
  size_t n = h3_varint(bytes, 0, dir == HZ_BIDI ? 0x41 : 0x54);
  n = h3_varint(bytes, n, id);
  cr_assert_leq(len, sizeof(bytes) - 16);
  if (len > 0) memcpy(bytes + n, data, len);
  struct h3_call *c = h3_stream(h, dir, bytes, n + len, fin);
  c->raw = true;
  return c;
}

bool wt_echoes(struct h3_peer *h, uint64_t id, const char *text) {
  struct h3_call *c = wt_stream(h, id, HZ_BIDI, text, strlen(text), true);
  return h3_done(c) && c->fin && !c->was_reset && c->len == strlen(text) &&
         c->sum == ap_sum(text, c->len);
}

void wt_capsule(struct h3_call *session, uint64_t type, const void *value, size_t len, size_t has,
                bool fin) {
  static uint8_t capsule[20000], data[20032];
  size_t n = h3_varint(capsule, h3_varint(capsule, 0, type), len);
  if (has > 0) memcpy(capsule + n, value, has);
  h3_send(session, data, h3_frame(data, 0, 0, capsule, n + has), fin);
}

void wt_datagram(struct h3_peer *h, uint64_t id, const void *data, size_t len) {
  uint8_t bytes[1300];
  size_t n = h3_varint(bytes, 0, id / 4);
  cr_assert_leq(n + len, sizeof(bytes));
  if (len > 0) memcpy(bytes + n, data, len);
  h3_datagram(h, bytes, n + len);
}

uint64_t wt_id_after(const struct h3_peer *h, unsigned n) {
  uint64_t next = 0;
  for (unsigned i = 0; i < h->call_count; i++)
    if (h->calls[i].id % 4 == 0 && h->calls[i].id + 4 > next) next = h->calls[i].id + 4;
  return next + 4 * n;
}
