/* What is on its way in a fan-out: see bench_fan.h. */
#include "apps/herz/bench_fan.h"

#include <stdlib.h>

static const char lost[] = "not every subscriber heard it";

bool bench_fan_make(struct bench_fan *f) {
  f->next = calloc(f->listeners, sizeof *f->next);
  f->ring = calloc(f->window, sizeof *f->ring);
  return f->next && f->ring;
}

void bench_fan_free(struct bench_fan *f) {
  free(f->next);
  free(f->ring);
}

bool bench_fan_admit(struct bench_fan *f, uint64_t now, void *at) {
  bool counted;
  if (f->number - f->first == f->window || !bench_admit(f->run, now, &counted)) return false;
  f->ring[f->number % f->window] =
      (struct fan_event){.start_ns = now, .left = f->listeners, .counted = counted};
  uint8_t *p = at;
  for (unsigned i = 0; i < FAN_NUMBER; i++) p[i] = (uint8_t)(f->number >> (56 - 8 * i));
  f->number++;
  return true;
}

static void end_first(struct bench_fan *f, uint64_t now) {
  const struct fan_event *e = &f->ring[f->first++ % f->window];
  bench_ended(f->run);
  if (!e->counted) return;
  f->run->tally.deliveries += f->listeners - e->left;
  f->run->tally.bytes_in += (uint64_t)bench_options.size * (f->listeners - e->left);
  f->run->tally.bytes_out += bench_options.size;
  if (e->spoilt)
    bench_error(f->run, HERZ_EPROTO, lost, now);
  else
    bench_ok(f->run, e->start_ns, now);
}

static bool end_whole(struct bench_fan *f, uint64_t now) {
  uint64_t before = f->first;
  while (f->first < f->number && f->ring[f->first % f->window].left == 0) end_first(f, now);
  return f->first != before;
}

/* Its events up to `to` will not come any more. */
static void pass_over(struct bench_fan *f, uint32_t listener, uint64_t to) {
  for (; f->next[listener] < to; f->next[listener]++) {
    struct fan_event *e = &f->ring[f->next[listener] % f->window];
    e->spoilt = true;
    e->left--;
    f->missed++;
  }
}

bool bench_fan_heard(struct bench_fan *f, uint32_t listener, const void *at, size_t len,
                     uint64_t now) {
  const uint8_t *p = at;
  uint64_t number = 0;
  for (unsigned i = 0; i < FAN_NUMBER && i < len; i++) number = number << 8 | p[i];
  if (len < FAN_NUMBER || number < f->next[listener] || number >= f->number) {
    f->doubled++;
    return false;
  }
  pass_over(f, listener, number);
  f->next[listener]++;
  if (--f->ring[number % f->window].left > 0) return false;
  return end_whole(f, now);
}

bool bench_fan_gap(struct bench_fan *f, uint32_t listener, uint64_t n, uint64_t now) {
  uint64_t most = f->number - f->next[listener];
  pass_over(f, listener, f->next[listener] + (n < most ? n : most));
  return end_whole(f, now);
}

void bench_fan_abandon(struct bench_fan *f, int err, const char *text, uint64_t now) {
  for (; f->first < f->number; f->first++) {
    const struct fan_event *e = &f->ring[f->first % f->window];
    bench_ended(f->run);
    f->missed += e->left;
    if (e->counted) bench_error(f->run, err, text, now);
  }
  f->run->phase = BENCH_OVER;
}

bool bench_fan_late(const struct bench_fan *f, uint64_t now) {
  if (f->first == f->number) return false;
  uint64_t start = f->ring[f->first % f->window].start_ns;
  return now > start + (uint64_t)client_options.timeout_ms * 1000000u;
}

bool bench_fan_done(const struct bench_fan *f) {
  return f->run->phase == BENCH_OVER && f->first == f->number;
}

int bench_fan_report(struct bench_fan *f) {
  bench_end(f->run);
  f->run->tally.missed = f->missed;
  f->run->tally.doubled = f->doubled;
  return bench_report(f->run);
}
