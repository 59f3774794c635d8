/* Topics for who speaks HTTP: POST publishes, GET hears server-sent events (HTML, 9.2). A subscriber like any
 * other: what is sent is pulled from its queue as the reader takes it. Not here: event streams of handlers
 * (core/web/sse.c). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/msgpack.h"
#include "core/app/topics.h"
#include "core/dispatch/call.h"
#include "core/include/herz/web.h"

#define HEARTBEAT (15 * HZ_SEC)

struct feed {
  struct hz_subscriber base;
  herz_ctx *c;
  struct hz_buf *text; /* what is leaving; NULL: nothing */
  bool broken;         /* memory was short in the middle of an event */
  hz_time said;
  struct hz_wheel_timer heartbeat;
};

static struct hz_env *env_of(const struct feed *f) {
  return f->base.node->env;
}

/* ---- an event as text ---- */

static hz_err put(void *arg, const void *data, size_t len) {
  struct hz_buf **b = arg;
  hz_err err = hz_buf_reserve(b, len);

  return err == HZ_OK ? hz_buf_append(*b, data, len) : err;
}

static hz_err put_text(struct hz_buf **b, const char *text) {
  return put(b, text, strlen(text));
}

/* `"name":` and the value that `r` stands at, as JSON. */
static hz_err put_field(struct hz_buf **b, const char *name, struct hz_mp_reader *r) {
  const uint8_t *from = r->p;
  hz_err err = hz_mp_skip(r);

  if (err == HZ_OK) err = put_text(b, name);
  if (err != HZ_OK) return err;
  return hz_msgpack_to_json(from, (size_t)(r->p - from), false, put, b);
}

static hz_err put_event(struct hz_buf **b, const struct hz_event *e) {
  static const char *const names[] = {
      "{\"topic\":", ",\"epoch\":", ",\"offset\":", ",\"headers\":", ",\"body\":"};
  struct hz_mp_reader r = hz_mp_reader_of((struct hz_str){(const char *)hz_event_tail(e), e->len});
  char id[64] = "data: ";
  hz_err err;

  if (e->offset > 0) {
    (void)snprintf(id, sizeof(id), "id: %" PRIu64 ".%" PRIu64 "\ndata: ", e->epoch, e->offset);
  }
  err = put_text(b, id);
  for (size_t i = 0; i < 5 && err == HZ_OK; i++) err = put_field(b, names[i], &r);
  return err == HZ_OK ? put_text(b, "}\n\n") : err;
}

static hz_err put_gap(struct hz_buf **b, const struct hz_pulled *p) {
  char text[64];

  (void)snprintf(text, sizeof(text), "event: gap\ndata: {\"missed\":%" PRIu64 "}\n\n", p->missed);
  return put_text(b, text);
}

/* ---- leaving ---- */

/* What comes next, as text. False: nothing. */
static bool next(struct feed *f) {
  struct hz_pulled p;

  if (!hz_subscriber_pull(&f->base, &p)) return false;
  f->text = hz_buf_new(&env_of(f)->pool, 256);
  hz_err err = f->text == NULL ? HZ_ENOMEM : HZ_OK;
  if (err == HZ_OK && p.gap) err = put_gap(&f->text, &p);
  if (err == HZ_OK && p.event != NULL) err = put_event(&f->text, p.event->event);
  if (p.event != NULL) hz_delivery_unref(p.event);
  if (err != HZ_OK && err != HZ_ENOMEM) { /* a value that JSON cannot say */
    f->text->len = 0;
    err = put_gap(&f->text, &(struct hz_pulled){.missed = p.missed + 1});
  }
  f->broken = err != HZ_OK;
  return !f->broken;
}

static long read_feed(void *arg, void *dst, size_t cap) {
  struct feed *f = arg;
  size_t n = 0;

  while (n < cap && !f->broken && (f->text != NULL || next(f))) {
    size_t left = f->text->len, take = left < cap - n ? left : cap - n;

    memcpy((char *)dst + n, hz_buf_data(f->text), take);
    n += take;
    f->text->start += (uint32_t)take;
    f->text->len -= (uint32_t)take;
    if (take < left) break;
    hz_buf_unref(f->text);
    f->text = NULL;
  }
  if (n > 0) f->said = env_of(f)->now;
  return n > 0 ? (long)n : f->broken ? HERZ_ENOMEM : HERZ_EAGAIN;
}

static void flush(struct hz_subscriber *base) {
  herz_reply_wake(HZ_CONTAINER(base, struct feed, base)->c);
}

/* The default policy disconnects nobody. */
static void overrun(struct hz_subscriber *base, struct hz_subscription *sub) {
  (void)base, (void)sub;
}

static const struct hz_subscriber_ops feed_ops = {.flush = flush, .overrun = overrun};

static void beat(struct hz_wheel_timer *t, hz_time now) {
  struct feed *f = HZ_CONTAINER(t, struct feed, heartbeat);
  bool due = f->said + HEARTBEAT <= now;

  hz_wheel_set(&env_of(f)->wheel, t, (due ? now : f->said) + HEARTBEAT, beat);
  if (!due || f->text != NULL) return;
  f->text = hz_buf_copy(&env_of(f)->pool, ": \n\n", 4);
  if (f->text != NULL) herz_reply_wake(f->c); /* last: the call may end here */
}

static void feed_ended(void *arg) {
  struct feed *f = arg;

  hz_wheel_cancel(&env_of(f)->wheel, &f->heartbeat);
  while (f->base.subs != NULL) hz_hub_unsubscribe(f->base.subs);
  hz_subscriber_fini(&f->base);
  hz_buf_unref(f->text);
}

/* ---- handlers ---- */

static bool allowed(herz_ctx *c, hz_hub_may *may, void *arg, struct hz_str topic) {
  if (may == NULL || (c->x != NULL && c->x->conn != NULL && may(arg, c->x->conn, topic))) {
    return true;
  }
  herz_reply_error(c, HERZ_FORBIDDEN, "this topic is not for you");
  return false;
}

/* "epoch.offset" of the event that the reader saw last. */
static void take_last_id(const char *text, struct hz_sub_options *o) {
  uint64_t epoch, offset;

  if (text == NULL || sscanf(text, "%" SCNu64 ".%" SCNu64, &epoch, &offset) != 2) return;
  o->has_from = true;
  o->from = offset + 1;
  o->epoch = epoch;
}

/* To whoever may hear of them on the topic that tells of them. */
static void show_members(herz_ctx *c, herz_app *app) {
  const struct hz_hub_rules *rules = &app->hub->rules;
  const char *topic = herz_param(c, "topic");
  const char *why = hz_topic_check(hz_str_of(topic));
  char told[sizeof(HZ_PRESENCE_PREFIX) + HZ_FILTER_MAX];

  if (why != NULL) { /* a pattern has no members */
    herz_reply_error(c, HERZ_BAD_REQUEST, "%s", why);
    return;
  }
  (void)snprintf(told, sizeof(told), HZ_PRESENCE_PREFIX "%s", topic);
  if (!allowed(c, rules->may_subscribe, rules->subscribe_arg, hz_str_of(told))) return;
  hz_topic_members(c, app, topic);
}

/* Such a reader is seen where others are. False: answered. */
static bool attend(struct feed *f, struct hz_subscription *sub, const struct hz_filter *pattern) {
  struct hz_presence *p = &f->base.node->hub->presence;
  struct hz_peer who = {.tls = false};

  if (!hz_presence_of(p, pattern)) return true;
  if (f->c->x != NULL && f->c->x->conn != NULL) who = hz_conn_peer(f->c->x->conn);
  f->base.member = hz_presence_id(p);
  if (hz_hub_attend(sub, pattern, hz_str_of(herz_query(f->c, "as")), hz_peer_verified_name(&who)) ==
      HZ_OK) {
    return true;
  }
  herz_reply_error(f->c, HERZ_UNAVAILABLE, "too many are on topics already");
  return false;
}

static void hear(herz_ctx *c) {
  herz_app *app = herz_arg(c);
  const struct hz_hub_rules *rules = &app->hub->rules;
  struct hz_sub_options o = {.has_from = false};
  struct hz_subscription *sub;
  struct hz_position mark;
  struct hz_filter filter;
  const char *why = hz_filter_read(&filter, hz_str_of(herz_param(c, "topic")));

  if (why == NULL) why = hz_presence_check(hz_str_of(herz_query(c, "as")));
  if (why != NULL) {
    herz_reply_error(c, HERZ_BAD_REQUEST, "%s", why);
    return;
  }
  if (herz_query(c, "members") != NULL) {
    show_members(c, app);
    return;
  }
  if (!allowed(c, rules->may_subscribe, rules->subscribe_arg, hz_filter_text(&filter))) return;
  if (filter.kind == HZ_FILTER_EXACT) take_last_id(herz_header(c, "last-event-id"), &o);
  struct feed *f = hz_arena_zalloc(&c->arena, sizeof(*f));
  if (f == NULL) return;
  f->c = c;
  hz_subscriber_init(&f->base, &app->hub->nodes[c->d->worker], &feed_ops);
  if (herz_on_end(c, feed_ended, f) != 0) return;
  if (hz_hub_subscribe(&f->base, &filter, &o, &sub, &mark) != HZ_OK) {
    herz_reply_error(c, HERZ_UNAVAILABLE, "no more subscriptions are taken just now");
    return;
  }
  if (!attend(f, sub, &filter)) return;
  if (herz_set_header(c, "cache-control", "no-store") != 0) return;
  f->said = env_of(f)->now;
  hz_wheel_set(&env_of(f)->wheel, &f->heartbeat, f->said + HEARTBEAT, beat);
  /* It has no end by itself: the queue's bound and the heartbeat stand for the deadline. */
  hz_wheel_cancel(&env_of(f)->wheel, &c->deadline);
  c->due = HZ_TIME_NEVER;
  hz_hub_begin(sub);
  (void)herz_reply_stream(c, HERZ_OK, "text/event-stream", read_feed, f);
}

static void say(herz_ctx *c) {
  herz_app *app = herz_arg(c);
  const struct hz_hub_rules *rules = &app->hub->rules;
  struct herz_message m = {.topic = herz_param(c, "topic")};
  struct herz_position at;
  const char *why = hz_topic_check(hz_str_of(m.topic));

  if (why != NULL) {
    herz_reply_error(c, HERZ_BAD_REQUEST, "%s", why);
    return;
  }
  if (hz_topic_reserved(hz_str_of(m.topic))) {
    herz_reply_error(c, HERZ_FORBIDDEN, "topics that begin with $ are the service's");
    return;
  }
  if (!allowed(c, rules->may_publish, rules->publish_arg, hz_str_of(m.topic))) return;
  m.body = herz_body(c, &m.body_len, &m.kind);
  switch (herz_publish(app, &m, &at)) {
    case 0:
      herz_reply(c, HERZ_ACCEPTED,
                 herz_map(c, "epoch", herz_uint(c, at.epoch), "offset", herz_uint(c, at.offset)));
      break;
    case HERZ_ETOOBIG: herz_reply_error(c, HERZ_TOO_LARGE, "no frame can carry this"); break;
    case HERZ_EINVAL: herz_reply_error(c, HERZ_BAD_REQUEST, "the body is not of its type"); break;
    default: herz_reply_error(c, HERZ_UNAVAILABLE, "memory is short"); break;
  }
}

int herz_topic_routes(herz_app *app, const char *prefix) {
  char pattern[512];
  int n = snprintf(pattern, sizeof(pattern), "%s/*topic", prefix);

  if (n < 0 || (size_t)n >= sizeof(pattern)) {
    return hz_app_fail(app, HZ_EINVAL, "%s: longer than 500 bytes", prefix);
  }
  int err = herz_route(app, "GET", pattern, hear, app);
  return err != 0 ? err : herz_route(app, "POST", pattern, say, app);
}
