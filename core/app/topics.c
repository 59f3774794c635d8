/* The service's side of publish and subscribe: herz_publish(), who may, events as text. Not here: taps
 * (tap.c), clients (client_topic.c), the hub itself (core/pubsub). */
#include "core/app/topics.h"

#include <stdlib.h>
#include <string.h>

#include "core/dispatch/call.h"

/* ---- events as text ---- */

static hz_err copy_headers(struct hz_event_text *t, const struct hz_headers_view *v) {
  struct herz_header *to = hz_arena_alloc(&t->arena, v->count * sizeof(*to));
  struct hz_str name, value;
  uint32_t n = 0;

  if (to == NULL) return HZ_ENOMEM;
  for (size_t pos = 0; n < v->count && hz_headers_next(v, &pos, &name, &value); n++) {
    to[n].name = hz_arena_strdup(&t->arena, name);
    to[n].value = hz_arena_strdup(&t->arena, value);
    if (to[n].name == NULL || to[n].value == NULL) return HZ_ENOMEM;
  }
  t->event.headers = to;
  t->event.header_count = n;
  return HZ_OK;
}

hz_err hz_event_text_of(struct hz_event_text *t, struct hz_pool *pool,
                        const struct hz_envelope *e) {
  struct herz_event *to = &t->event;

  memset(to, 0, sizeof(*to));
  hz_arena_init(&t->arena, pool, 2 * e->headers.raw.n + 65536);
  to->what = e->kind == HZ_GAP ? HERZ_EVENT_GAP : HERZ_EVENT_MESSAGE;
  to->at = (struct herz_position){e->epoch, e->offset};
  to->missed = e->missed;
  if (e->text.n > 0 && e->text.n < sizeof(t->topic)) {
    memcpy(t->topic, e->text.p, e->text.n);
    t->topic[e->text.n] = '\0';
    to->topic = t->topic;
  }
  to->kind = (enum herz_body_kind)e->body.kind;
  to->body = e->body.data.p;
  to->body_len = e->body.data.n;
  if (e->headers.count == 0 || copy_headers(t, &e->headers) == HZ_OK) return HZ_OK;
  hz_event_text_fini(t);
  return HZ_ENOMEM;
}

void hz_event_text_fini(struct hz_event_text *t) {
  hz_arena_reset(&t->arena);
}

/* ---- publishing ---- */

hz_err hz_message_of(const struct herz_message *m, struct hz_header *headers,
                     struct hz_message *out) {
  struct hz_str body = {m->body, m->body_len};
  enum hz_body_kind kind = (enum hz_body_kind)m->kind;

  if (m->topic == NULL || m->header_count > HZ_HEADERS_MAX) return HZ_EINVAL;
  if (kind == HZ_BODY_NONE && body.n > 0) kind = HZ_BODY_BYTES;
  if (kind > HZ_BODY_VALUE || (body.n > 0 && hz_honest_kind(kind, body) != kind)) return HZ_EINVAL;
  if (kind == HZ_BODY_VALUE && body.n == 0) return HZ_EINVAL;
  for (uint32_t i = 0; i < m->header_count; i++) {
    if (!hz_header_ok(m->headers[i].name, m->headers[i].value)) return HZ_EINVAL;
    headers[i] = (struct hz_header){hz_str_of(m->headers[i].name), hz_str_of(m->headers[i].value)};
  }
  *out = (struct hz_message){.topic = hz_str_of(m->topic),
                             .headers = headers,
                             .header_count = m->header_count,
                             .body = {kind, body}};
  return HZ_OK;
}

int herz_publish(herz_app *app, const struct herz_message *m, struct herz_position *at) {
  struct hz_worker *w = hz_worker_present(app);
  struct hz_header headers[HZ_HEADERS_MAX];
  struct hz_hub_node *here = NULL;
  struct hz_position position = {0, 0};
  struct hz_message message;
  const char *why;

  if (app->hub == NULL) return HERZ_ECLOSED;
  hz_err err = hz_message_of(m, headers, &message);
  if (err != HZ_OK) return (int)err;
  if (w != NULL) {
    here = &app->hub->nodes[w->index];
    message.depth = here->depth;
  }
  err = hz_hub_publish(app->hub, here, &message, &position, &why);
  if (err == HZ_EINVAL && w != NULL) (void)hz_app_fail(app, err, "%s: %s", m->topic, why);
  if (at != NULL) *at = (struct herz_position){position.epoch, position.offset};
  return (int)err;
}

int herz_publish_text(herz_app *app, const char *topic, const char *text) {
  struct herz_message m = {
      .topic = topic, .kind = HERZ_BODY_TEXT, .body = text, .body_len = strlen(text)};

  return herz_publish(app, &m, NULL);
}

/* ---- who may ---- */

struct asked {
  herz_may *may;
  void *arg;
};

/* The hub's question put to the service. */
static bool ask(void *arg, const struct hz_conn *conn, struct hz_str topic) {
  const struct asked *a = arg;
  struct hz_peer p = hz_conn_peer(conn);
  char text[HERZ_TOPIC_TEXT];

  if (topic.n >= sizeof(text)) return false;
  memcpy(text, topic.p, topic.n);
  text[topic.n] = '\0';
  struct herz_asker who = {.conn = conn->id, .topic = text};
  who.peer = (struct herz_peer){.transport = conn->ops->scheme,
                                .address = p.addr,
                                .tls = p.tls,
                                .tls_subject = hz_peer_subject(&p),
                                .early = conn->early};
  return a->may(&who, a->arg);
}

static void forget(void *arg) {
  free(arg);
}

static int set_rule(herz_app *app, hz_hub_may **rule, void **rule_arg, herz_may *may, void *arg) {
  struct asked *a;

  if (app->started) return hz_app_fail(app, HZ_EINVAL, "who may is set before the first listener");
  a = malloc(sizeof(*a));
  if (a == NULL || hz_app_keep(app, forget, a) != HZ_OK) {
    free(a);
    return hz_app_fail(app, HZ_ENOMEM, "memory is short");
  }
  *a = (struct asked){may, arg};
  *rule = ask;
  *rule_arg = a;
  return 0;
}

int herz_may_subscribe(herz_app *app, herz_may *may, void *arg) {
  return set_rule(app, &app->hub_rules.may_subscribe, &app->hub_rules.subscribe_arg, may, arg);
}

int herz_may_publish(herz_app *app, herz_may *may, void *arg) {
  return set_rule(app, &app->hub_rules.may_publish, &app->hub_rules.publish_arg, may, arg);
}

/* ---- who looks ---- */

bool herz_topic_next(const herz_app *app, struct herz_topic_info *at) {
  struct hz_topic_facts f;

  if (app->hub == NULL || !hz_history_next(&app->hub->history, at->last.epoch, &f)) return false;
  memcpy(at->topic, f.name, strlen(f.name) + 1);
  at->last = (struct herz_position){f.epoch, f.last_offset};
  at->events = f.events;
  at->bytes = f.bytes;
  return true;
}

uint64_t herz_subscription_count(const herz_app *app) {
  uint64_t n = 0;

  for (uint32_t i = 0; app->hub != NULL && i < app->hub->node_count; i++) {
    n += hz_tally_get(&app->hub->nodes[i].subscriptions);
  }
  return n;
}
