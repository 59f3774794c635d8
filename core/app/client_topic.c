/* Publish and subscribe of a client: subscriptions that outlive connections, publishes that wait to be sent or
 * acknowledged. Not here: their frames (core/protocol/subscribe.c). */
#include <stdio.h>
#include <string.h>

#include "core/app/client.h"
#include "core/app/client_seen.h"
#include "core/app/topics.h"

/** Publishes of a client that wait, or wait to be acknowledged. */
#define PUBS_MAX 65536u

enum what { SUBSCRIPTION, PUBLISH };

/* Begins both, for the map of ids. */
struct named {
  enum what what;
  uint64_t id; /* on this connection; 0: not sent */
};

struct herz_subscription {
  struct named named;
  struct hz_link link; /* cl->subs */
  herz_client *cl;
  struct herz_subscribe_options options;
  void (*fn)(herz_subscription *, const struct herz_event *, void *);
  void *arg;
  bool over; /* refused: freed when that has been told */
  /* Where to go on after a reconnect: what it has seen, and of other topics what came after it began. */
  bool began;
  uint64_t epoch, mark;
  uint32_t frame; /* what the peer took then; on a new connection it has not said yet */
  struct hz_seen_topics seen;
  char pattern[];
};

struct hz_client_pub {
  struct named named;
  struct hz_link link; /* cl->pubs */
  herz_client *cl;
  void (*done)(int, const char *, struct herz_position, void *);
  void *arg;
  struct hz_buf *waiting; /* the envelope, while it is not sent, or may have to be again */
  uint64_t again;         /* not 0: it was sent on another connection of the session */
  bool sent;
};

void hz_client_topics_init(herz_client *cl) {
  hz_list_init(&cl->subs);
  hz_list_init(&cl->pubs);
  hz_idmap_init(&cl->topic_ids, cl->w->env->alloc);
}

static bool put_id(herz_client *cl, struct named *n, uint64_t id) {
  n->id = id;
  if (hz_idmap_put(&cl->topic_ids, id, n) == HZ_OK) return true;
  n->id = 0;
  return false;
}

static void no_memory(herz_client *cl) {
  hz_session_close(cl->session, HZ_CLOSE_INTERNAL, HZ_ENOMEM, "memory is short");
}

/* ---- subscriptions ---- */

static void subscription_free(herz_subscription *s) {
  hz_list_remove(&s->link);
  hz_seen_fini(&s->seen);
  hz_free(s->cl->w->env->alloc, s);
}

static struct hz_sub_options options_of(const herz_subscription *s) {
  static const struct hz_str classes[] = {{"", 0}, {"stream", 6}, {"datagram", 8}, {"latest", 6}};
  static const struct hz_str slows[] = {
      {"", 0}, {"newest", 6}, {"latest", 6}, {"pause", 5}, {"close", 5}};
  const struct herz_subscribe_options *o = &s->options;

  return (struct hz_sub_options){.delivery = classes[o->delivery],
                                 .slow = slows[o->slow],
                                 .as = hz_str_of(o->as),
                                 .has_credit = o->slow == HERZ_PAUSE,
                                 .credit = o->credit,
                                 .deadline_ms = o->deadline_ms};
}

static enum hz_seen_order order_of(const struct herz_subscribe_options *o) {
  if (o->delivery == HERZ_DATAGRAM) return HZ_SEEN_LOOSE;
  if (o->delivery != HERZ_STREAM) return HZ_SEEN_KEPT;
  return o->deadline_ms > 0 || o->slow == HERZ_KEEP_LATEST ? HZ_SEEN_LOOSE : HZ_SEEN_MIXED;
}

static bool chosen(const struct herz_subscribe_options *o) {
  return o->has_from || o->ago_ms > 0;
}

/* On this connection from now on. */
static void begin_seen(herz_subscription *s) {
  const struct herz_subscribe_options *o = &s->options;

  s->seen.generation++;
  s->seen.one_stream = s->cl->session->mux;
  s->seen.late = !chosen(o) || (o->ago_ms == 0 && o->from <= 1);
}

/* Where it begins: as it was asked to, or, when it has heard something, behind that. */
static hz_err say_begin(const herz_subscription *s, struct hz_sub_options *o) {
  const struct herz_subscribe_options *wanted = &s->options;

  if (!s->began || (chosen(wanted) && s->seen.map.count == 0)) {
    o->has_from = wanted->has_from;
    o->from = wanted->from;
    o->epoch = wanted->epoch;
    o->ago_ms = wanted->ago_ms;
    return HZ_OK;
  }
  if (wanted->live_only) return HZ_OK;
  o->has_since = true;
  o->since = chosen(wanted) ? 0 : s->mark; /* who wanted what was before wants that of all topics */
  o->epoch = s->epoch;
  size_t size = hz_sub_size(hz_str_of(s->pattern), o);
  return hz_seen_encode(&s->seen, s->frame > size ? s->frame - size : 0, &o->offsets);
}

/* False: not now. */
static bool send_sub(herz_subscription *s) {
  struct hz_sub_options o = options_of(s);
  uint64_t id;

  begin_seen(s);
  hz_err err = say_begin(s, &o);
  if (err == HZ_OK) err = hz_session_subscribe(s->cl->session, hz_str_of(s->pattern), &o, &id);
  hz_free(s->seen.alloc, (void *)(uintptr_t)o.offsets.raw.p);
  if (err == HZ_ENOMEM || (err == HZ_OK && !put_id(s->cl, &s->named, id))) no_memory(s->cl);
  return err == HZ_OK;
}

int herz_subscribe(herz_client *cl, const struct herz_subscribe_options *options,
                   void (*fn)(herz_subscription *, const struct herz_event *, void *), void *arg,
                   herz_subscription **out) {
  struct hz_filter filter;
  const char *why = hz_filter_read(&filter, hz_str_of(options->pattern));

  struct hz_str as = hz_str_of(options->as);

  if (why == NULL) why = hz_presence_check(as);
  if (why != NULL) return hz_app_fail(cl->app, HZ_EINVAL, "%s: %s", options->pattern, why);
  if ((unsigned)options->delivery > HERZ_LATEST || (unsigned)options->slow > HERZ_DISCONNECT) {
    return hz_app_fail(cl->app, HZ_EINVAL, "%s: no such class, or policy", options->pattern);
  }
  if (options->slow == HERZ_PAUSE && order_of(options) == HZ_SEEN_LOOSE) {
    return hz_app_fail(cl->app, HZ_EINVAL, "%s: " HZ_PAUSE_OF_LOSSY, options->pattern);
  }
  if (cl->closing) return HERZ_ECLOSED;
  if (cl->ops->request != NULL) {
    return hz_app_fail(cl->app, HZ_EUNSUPPORTED, "%s:// carries calls only", cl->ops->scheme);
  }
  struct hz_alloc *alloc = cl->w->env->alloc;
  herz_subscription *s = hz_calloc(alloc, 1, sizeof(*s) + filter.len + 1u + as.n + 1u);
  if (s == NULL) return HERZ_ENOMEM;
  s->cl = cl;
  s->options = *options;
  s->options.pattern = s->pattern;
  memcpy(s->pattern, filter.text, filter.len);
  s->options.as = as.n > 0 ? memcpy(s->pattern + filter.len + 1, as.p, as.n) : NULL;
  s->fn = fn;
  s->arg = arg;
  hz_seen_init(&s->seen, alloc, order_of(options));
  hz_list_push(&cl->subs, &s->link);
  /* At once if possible: what is published behind it is heard. */
  if (cl->session == NULL || !hz_session_usable(cl->session) || !send_sub(s)) {
    hz_env_defer(cl->w->env, &cl->settle);
  }
  if (out != NULL) *out = s;
  return 0;
}

void herz_unsubscribe(herz_subscription *s) {
  herz_client *cl = s->cl;

  if (s->over) return;
  if (s->named.id != 0) {
    (void)hz_idmap_remove(&cl->topic_ids, s->named.id);
    if (cl->session != NULL) hz_session_unsubscribe(cl->session, s->named.id);
  }
  subscription_free(s);
}

void herz_subscription_credit(herz_subscription *s, uint64_t n) {
  if (s->options.slow != HERZ_PAUSE || s->over) return;
  s->options.credit += n; /* what is left of it is granted again after a reconnect */
  if (s->named.id != 0 && s->cl->session != NULL) {
    hz_session_sub_credit(s->cl->session, s->named.id, n);
  }
}

/* ---- publishes ---- */

static void pub_end(struct hz_client_pub *p, hz_err err, const char *text,
                    struct herz_position at) {
  herz_client *cl = p->cl;

  hz_list_remove(&p->link);
  cl->pub_count--;
  hz_buf_unref(p->waiting);
  if (cl->resume.on) hz_client_settled(cl, p->again != 0 ? p->again : p->named.id);
  if (p->done != NULL) p->done((int)err, text, at, p->arg);
  hz_slab_put(&cl->w->env->objects, p, sizeof(*p));
}

/* Sends it, under a new id when it is to be acknowledged. */
static hz_err send_pub(struct hz_client_pub *p, const struct hz_message *m) {
  herz_client *cl = p->cl;
  uint64_t id;
  hz_err err;

  if (p->again != 0) {
    id = p->again;
    err = hz_session_publish_again(cl->session, m, id);
  } else {
    err = hz_session_publish(cl->session, m, p->done != NULL ? &id : NULL);
  }
  p->sent = err == HZ_OK;

  if (err == HZ_OK && p->done != NULL && !put_id(cl, &p->named, id)) no_memory(cl);
  return err;
}

/* What waited is an envelope without an id. */
static hz_err send_waiting(struct hz_client_pub *p) {
  struct hz_header headers[HZ_HEADERS_MAX];
  struct hz_envelope e;
  size_t n = 0, pos = 0;

  if (hz_envelope_parse(hz_buf_data(p->waiting), p->waiting->len, &e) != HZ_OK) return HZ_EINVAL;
  while (n < HZ_HEADERS_MAX &&
         hz_headers_next(&e.headers, &pos, &headers[n].name, &headers[n].value)) {
    n++;
  }
  struct hz_message m = {.topic = e.text, .headers = headers, .header_count = n, .body = e.body};
  return send_pub(p, &m);
}

static hz_err keep(struct hz_client_pub *p, const struct hz_message *m) {
  size_t size = hz_pub_size(m->topic, m->headers, m->header_count, &m->body);

  p->waiting = hz_buf_new(&p->cl->w->env->pool, size);
  if (p->waiting == NULL) return HZ_ENOMEM;
  return hz_encode_pub(p->waiting, false, 0, m->topic, m->headers, m->header_count, &m->body);
}

static bool others_wait(const herz_client *cl) {
  if (hz_list_empty(&cl->pubs)) return false;
  return !HZ_CONTAINER(cl->pubs.prev, struct hz_client_pub, link)->sent;
}

/* Is it sent, or may it wait? */
static hz_err begin(struct hz_client_pub *p, const struct hz_message *m) {
  herz_client *cl = p->cl;
  bool up = cl->session != NULL && hz_session_usable(cl->session);
  bool early = up && cl->session->conn->early;

  if (!up || early) return keep(p, m);
  if (others_wait(cl)) return HZ_AGAIN;
  hz_err err = cl->resume.on && p->done != NULL ? keep(p, m) : HZ_OK;
  if (err == HZ_OK) err = send_pub(p, m);
  if (err != HZ_ECLOSED) return err;
  return p->waiting == NULL ? keep(p, m) : HZ_OK; /* the connection is on its way out */
}

int herz_client_publish(herz_client *cl, const struct herz_message *message,
                        void (*done)(int, const char *, struct herz_position, void *), void *arg) {
  struct hz_header headers[HZ_HEADERS_MAX];
  struct hz_message m;
  hz_err err = hz_message_of(message, headers, &m);
  const char *why = err == HZ_OK ? hz_topic_check(m.topic) : "no frame can carry this message";

  if (why != NULL) {
    return hz_app_fail(cl->app, HZ_EINVAL, "%s: %s",
                       message->topic == NULL ? "(no topic)" : message->topic, why);
  }
  if (cl->closing) return HERZ_ECLOSED;
  if (cl->ops->request != NULL) return HERZ_EUNSUPPORTED;
  if (cl->pub_count >= PUBS_MAX) return HERZ_EAGAIN;
  struct hz_client_pub *p = hz_slab_get(&cl->w->env->objects, sizeof(*p));
  if (p == NULL) return HERZ_ENOMEM;
  p->named.what = PUBLISH;
  p->cl = cl;
  p->done = done;
  p->arg = arg;
  err = begin(p, &m);
  if (err == HZ_OK && (done != NULL || p->waiting != NULL)) {
    hz_list_push(&cl->pubs, &p->link);
    cl->pub_count++;
    return 0;
  }
  hz_buf_unref(p->waiting);
  hz_slab_put(&cl->w->env->objects, p, sizeof(*p));
  return (int)err;
}

/* ---- the connection comes and goes ---- */

void hz_client_topics_pump(herz_client *cl) {
  struct hz_link *l, *next;

  if (cl->session == NULL || !hz_session_usable(cl->session)) return;
  for (l = cl->subs.next; l != &cl->subs; l = l->next) {
    herz_subscription *s = HZ_CONTAINER(l, herz_subscription, link);

    if (s->named.id == 0 && !send_sub(s)) return;
  }
  for (l = cl->pubs.next; l != &cl->pubs; l = next) {
    struct hz_client_pub *p = HZ_CONTAINER(l, struct hz_client_pub, link);

    next = l->next;
    if (p->sent) continue;
    hz_err err = send_waiting(p);
    if (err == HZ_AGAIN || err == HZ_ECLOSED) return;
    if (err == HZ_OK) {
      if (p->done != NULL && cl->resume.on) continue;
      hz_buf_unref(p->waiting);
      p->waiting = NULL;
      if (p->done != NULL) continue;
    }
    bool told = p->done != NULL;
    pub_end(p, err, hz_strerror((int)err), (struct herz_position){0, 0});
    if (!told) continue;
    hz_env_defer(cl->w->env, &cl->settle); /* `done` may have changed the list */
    return;
  }
}

/* False: whether it was published will not be known. */
static bool go_on(struct hz_client_pub *p) {
  if (p->waiting == NULL || !hz_client_goes_on(p->cl)) return false;
  p->again = p->named.id;
  p->named.id = 0;
  p->sent = false;
  return true;
}

void hz_client_topics_forsaken(herz_client *cl) {
  const struct herz_position nowhere = {0, 0};
  struct hz_link all;

  hz_list_init(&all);
  hz_list_splice(&all, &cl->pubs);
  while (!hz_list_empty(&all)) {
    struct hz_client_pub *p = HZ_CONTAINER(all.next, struct hz_client_pub, link);

    if (p->again != 0) {
      p->again = 0;
      pub_end(p, HZ_ERESET, "the session is gone: it is not known whether this was published",
              nowhere);
      continue;
    }
    hz_list_remove(&p->link);
    hz_list_push(&cl->pubs, &p->link);
  }
}

void hz_client_topics_lost(herz_client *cl) {
  const struct herz_position nowhere = {0, 0};
  struct hz_link sent, *l, *next;

  if (cl->topic_ids.count == 0) return;
  hz_idmap_fini(&cl->topic_ids);
  hz_idmap_init(&cl->topic_ids, cl->w->env->alloc);
  for (l = cl->subs.next; l != &cl->subs; l = l->next) {
    HZ_CONTAINER(l, herz_subscription, link)->named.id = 0;
  }
  hz_list_init(&sent);
  for (l = cl->pubs.next; l != &cl->pubs; l = next) {
    next = l->next;
    struct hz_client_pub *p = HZ_CONTAINER(l, struct hz_client_pub, link);

    if (!p->sent || go_on(p)) continue;
    hz_list_remove(l);
    hz_list_push(&sent, l);
  }
  while (!hz_list_empty(&sent)) {
    pub_end(HZ_CONTAINER(sent.next, struct hz_client_pub, link), HZ_ECLOSED,
            "the connection went before it was acknowledged", nowhere);
  }
}

void hz_client_topics_end(herz_client *cl, hz_err err, const char *text) {
  const struct herz_position nowhere = {0, 0};

  hz_client_topics_lost(cl);
  while (!hz_list_empty(&cl->pubs)) {
    pub_end(HZ_CONTAINER(cl->pubs.next, struct hz_client_pub, link), err, text, nowhere);
  }
  while (!hz_list_empty(&cl->subs)) {
    subscription_free(HZ_CONTAINER(cl->subs.next, herz_subscription, link));
  }
  hz_idmap_fini(&cl->topic_ids);
}

/* ---- what comes ---- */

static void refused(herz_client *cl, struct named *n, const struct hz_envelope *e) {
  char text[160];
  hz_err err = e->code == HZ_WIRE_DENIED  ? HZ_EREFUSED
               : e->code == HZ_WIRE_LIMIT ? HZ_ELIMIT
               : e->code == HZ_WIRE_TOPIC ? HZ_EINVAL
                                          : HZ_EPROTO;

  (void)snprintf(text, sizeof(text), "%.*s", HZ_STR_ARG(e->text));
  (void)hz_idmap_remove(&cl->topic_ids, n->id);
  if (n->what == PUBLISH) {
    pub_end((struct hz_client_pub *)n, err, text, (struct herz_position){0, 0});
    return;
  }
  herz_subscription *s = (herz_subscription *)n;
  struct herz_event event = {
      .what = HERZ_EVENT_REFUSED, .topic = s->pattern, .err = (int)err, .text = text};
  s->over = true;
  hz_list_remove(&s->link);
  s->fn(s, &event, s->arg);
  subscription_free(s);
}

/* A service of another epoch knows nothing of what was: all that it has is new. */
static void note_begin(herz_subscription *s, struct herz_position at) {
  bool anew = s->began && s->epoch != at.epoch;

  if (anew)
    hz_seen_forget_older(&s->seen); /* events may have overtaken this on streams of their own */
  if (!s->began || anew) s->mark = anew ? 0 : at.offset;
  s->epoch = at.epoch;
  s->frame = s->cl->session->peer_frame;
  s->began = true;
}

static void acknowledged(herz_client *cl, struct named *n, const struct hz_envelope *e) {
  struct herz_position at = {e->epoch, e->offset};

  if (n->what == PUBLISH) {
    (void)hz_idmap_remove(&cl->topic_ids, n->id);
    pub_end((struct hz_client_pub *)n, HZ_OK, "", at);
    return;
  }
  herz_subscription *s = (herz_subscription *)n;
  note_begin(s, at);
  struct herz_event event = {.what = HERZ_EVENT_SUBSCRIBED, .topic = s->pattern, .at = at};
  s->fn(s, &event, s->arg);
}

/* False: it has come before. A gap that has been told is behind it, too. */
static bool note(herz_subscription *s, const struct hz_envelope *e) {
  const struct hz_topic_key *key = &s->cl->app->hub->key;

  if (e->epoch == 0 || e->offset == 0) return true;
  if (e->kind == HZ_EVENT) return hz_seen_event(&s->seen, key, e->text, e->epoch, e->offset);
  if (e->missed > 0 && e->missed - 1 <= UINT64_MAX - e->offset) {
    hz_seen_gap(&s->seen, key, e->text, e->epoch, e->offset, e->offset + e->missed - 1);
  }
  return true;
}

static void came(herz_subscription *s, const struct hz_envelope *e) {
  struct hz_event_text t;

  if (hz_event_text_of(&t, &s->cl->w->env->pool, e) != HZ_OK) {
    no_memory(s->cl);
    return;
  }
  if (note(s, e)) {
    if (e->kind == HZ_EVENT && s->options.credit > 0) s->options.credit--;
    s->fn(s, &t.event, s->arg); /* `s` may have gone */
  } else if (s->options.slow == HERZ_PAUSE) {
    hz_session_sub_credit(s->cl->session, s->named.id, 1); /* it was not one of those */
  }
  hz_event_text_fini(&t);
}

bool hz_client_topic(struct hz_session *session, const struct hz_envelope *e) {
  herz_client *cl = session->user;
  struct named *n = hz_idmap_get(&cl->topic_ids, e->id);

  if (n == NULL) return e->kind != HZ_ERROR; /* it crossed with the end of what it was for */
  switch (e->kind) {
    case HZ_ERROR: refused(cl, n, e); break;
    case HZ_ACK: acknowledged(cl, n, e); break;
    default:
      if (n->what == SUBSCRIPTION) came((herz_subscription *)n, e);
      break;
  }
  return true;
}
