/* Server-sent events (HTML, 9.2): a bounded queue of events, and the source that empties it. */
#include <string.h>

#include "codec/text_scan.h"
#include "core/dispatch/call.h"
#include "core/include/herz/web.h"

#define HEARTBEAT_MS 15000u

struct event {
  struct event *next;
  size_t len;
  char text[];
};

struct herz_sse {
  herz_ctx *c; /* NULL: the call has ended */
  struct event *first, **last;
  size_t at; /* of `first`: what has left */
  size_t bytes;
  uint32_t queue_bytes;
  bool drop_oldest, ended, broken;
  hz_time heartbeat_ns, said;
  struct hz_wheel_timer heartbeat;
};

static struct hz_env *env_of(const herz_sse *s) {
  return s->c->d->env;
}

/* ---- the queue ---- */

/* Takes `*link` out. */
static void drop(herz_sse *s, struct event **link) {
  struct event *e = *link;

  *link = e->next;
  if (s->last == &e->next) s->last = link;
  s->bytes -= e->len;
  hz_free(env_of(s)->alloc, e);
}

static void append(herz_sse *s, struct event *e) {
  *s->last = e;
  s->last = &e->next;
  s->bytes += e->len;
}

/* An event that has begun to leave stays: half of one would be read as another. */
static bool drop_oldest(herz_sse *s) {
  struct event **oldest = &s->first;

  if (s->first != NULL && s->at > 0) oldest = &s->first->next;
  if (*oldest == NULL) return false;
  drop(s, oldest);
  return true;
}

/* Makes room for `len` bytes, or says that the reader is too slow. */
static int make_room(herz_sse *s, size_t len) {
  if (s->bytes + len <= s->queue_bytes) return 0;
  HZ_COUNT(s->c->d->counters, events_overflowed);
  if (len > s->queue_bytes) return HERZ_ETOOBIG;
  if (!s->drop_oldest) {
    s->broken = true;
    herz_reply_wake(s->c); /* may end the call: `s` is not touched any more */
    return HERZ_ELIMIT;
  }
  while (s->bytes + len > s->queue_bytes && drop_oldest(s)) {
  }
  return s->bytes + len <= s->queue_bytes ? 0 : HERZ_ELIMIT;
}

static long read_events(void *arg, void *dst, size_t cap) {
  herz_sse *s = arg;
  size_t n = 0;

  if (s->broken) return HERZ_ELIMIT;
  while (s->first != NULL && n < cap) {
    size_t left = s->first->len - s->at, take = left < cap - n ? left : cap - n;

    memcpy((char *)dst + n, s->first->text + s->at, take);
    n += take;
    s->at += take;
    if (take < left) break;
    drop(s, &s->first);
    s->at = 0;
  }
  if (n > 0) s->said = env_of(s)->now;
  return n > 0 ? (long)n : s->ended ? 0 : HERZ_EAGAIN;
}

/* ---- events as text ---- */

static bool one_line(const char *text) {
  return text == NULL || (strpbrk(text, "\r\n") == NULL &&
                          hz_text_ok((const uint8_t *)text, strlen(text), HZ_TEXT_ANY));
}

struct writing {
  char *at; /* NULL: only counted */
  size_t n;
};

static void put(struct writing *w, const char *text, size_t len) {
  if (w->at != NULL) memcpy(w->at + w->n, text, len);
  w->n += len;
}

static void put_field(struct writing *w, const char *name, const char *value, size_t len) {
  put(w, name, strlen(name));
  put(w, value, len);
  put(w, "\n", 1);
}

/* "\r\n", "\n" and "\r" each end a line, as the reader sees it. */
static void put_lines(struct writing *w, const char *name, const char *text) {
  for (bool more = true; more;) {
    size_t n = strcspn(text, "\r\n");

    put_field(w, name, text, n);
    more = text[n] != '\0';
    text += n + (more ? text[n] == '\r' && text[n + 1] == '\n' ? 2 : 1 : 0);
  }
}

static void put_event(struct writing *w, const struct herz_sse_event *e) {
  if (e->comment != NULL) put_lines(w, ": ", e->comment);
  if (e->event != NULL) put_field(w, "event: ", e->event, strlen(e->event));
  if (e->id != NULL) put_field(w, "id: ", e->id, strlen(e->id));
  if (e->data != NULL) put_lines(w, "data: ", e->data);
  put(w, "\n", 1);
}

int herz_sse_send(herz_sse *s, const struct herz_sse_event *event) {
  struct writing count = {NULL, 0};

  if (s->c == NULL || s->ended || s->broken) return HERZ_ECLOSED;
  if (!one_line(event->event) || !one_line(event->id)) return HERZ_EINVAL;
  if ((event->data != NULL &&
       !hz_text_ok((const uint8_t *)event->data, strlen(event->data), HZ_TEXT_ANY)) ||
      (event->comment != NULL &&
       !hz_text_ok((const uint8_t *)event->comment, strlen(event->comment), HZ_TEXT_ANY))) {
    return HERZ_EINVAL;
  }
  put_event(&count, event);
  int err = make_room(s, count.n);
  if (err != 0) return err;
  struct event *e = hz_malloc(env_of(s)->alloc, sizeof(*e) + count.n);
  if (e == NULL) return HERZ_ENOMEM;
  struct writing w = {e->text, 0};
  put_event(&w, event);
  e->next = NULL;
  e->len = w.n;
  append(s, e);
  herz_reply_wake(s->c);
  return 0;
}

void herz_sse_end(herz_sse *s) {
  if (s->c == NULL || s->ended) return;
  s->ended = true;
  herz_reply_wake(s->c);
}

/* ---- life ---- */

static void beat(struct hz_wheel_timer *t, hz_time now) {
  herz_sse *s = HZ_CONTAINER(t, herz_sse, heartbeat);
  hz_time next = s->said + s->heartbeat_ns;

  if (next <= now) {
    next = now + s->heartbeat_ns;
    s->said = now;
  }
  hz_wheel_set(&env_of(s)->wheel, t, next, beat);
  /* What waits in the queue is a sign of life itself. Last: the call may end here. */
  if (s->said == now && s->first == NULL) {
    (void)herz_sse_send(s, &(struct herz_sse_event){.comment = ""});
  }
}

static void call_ended(void *arg) {
  herz_sse *s = arg;

  hz_wheel_cancel(&env_of(s)->wheel, &s->heartbeat);
  while (s->first != NULL) drop(s, &s->first);
  s->c = NULL;
}

herz_sse *herz_sse_open(herz_ctx *c, const struct herz_sse_options *options) {
  static const struct herz_sse_options defaults;
  const struct herz_sse_options *o = options == NULL ? &defaults : options;
  herz_sse *s = hz_arena_zalloc(&c->arena, sizeof(*s));

  if (s == NULL || herz_on_end(c, call_ended, s) != 0) return NULL;
  s->c = c;
  s->last = &s->first;
  s->queue_bytes = c->d->limits->event_queue_bytes;
  s->drop_oldest = o->drop_oldest;
  s->said = env_of(s)->now;
  s->heartbeat_ns = (o->heartbeat_ms == 0 ? HEARTBEAT_MS : o->heartbeat_ms) * HZ_MS;
  if (herz_set_header(c, "cache-control", "no-store") != 0) return NULL;
  if (herz_reply_stream(c, HERZ_OK, "text/event-stream", read_events, s) != 0) return NULL;
  /* Events have no end by themselves; the queue's bound and the heartbeat stand for the deadline. */
  hz_wheel_cancel(&env_of(s)->wheel, &c->deadline);
  c->due = HZ_TIME_NEVER;
  hz_wheel_set(&env_of(s)->wheel, &s->heartbeat, s->said + s->heartbeat_ns, beat);
  return s;
}
