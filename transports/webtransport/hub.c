/* What the sessions of one HTTP/3 connection have in common: which there are, what SETTINGS say, to whom a stream or
 * a datagram belongs. Not here: what waits for a session (early.c), what a session does (session.c). */
#include "transports/webtransport/code.h"
#include "transports/webtransport/internal.h"
#include "transports/webtransport/webtransport.h"

static struct hz_env *env_of(const struct hz_h3 *h3) {
  return hz_h3_carrier(h3)->base.env;
}

static struct hz_wt_hub *known(struct hz_h3 *h3) {
  return *hz_h3_extension_state(h3);
}

struct hz_wt_hub *hz_wt_hub_of(struct hz_h3 *h3) {
  struct hz_wt_hub *h = known(h3);
  if (h != NULL) return h;
  h = hz_new(env_of(h3)->alloc, struct hz_wt_hub);
  if (h == NULL) return NULL;
  h->h3 = h3;
  h->limbo.ops = hz_transport_wt();
  h->limbo.env = env_of(h3);
  h->limbo.role = hz_h3_carrier(h3)->base.role;
  h->limbo.listener = hz_h3_carrier(h3)->base.listener;
  h->limbo.events = &hz_wt_limbo_events;
  h->limbo.user = h;
  hz_list_init(&h->sessions);
  hz_list_init(&h->early);
  *hz_h3_extension_state(h3) = h;
  return h;
}

struct hz_wt *hz_wt_hub_find(struct hz_wt_hub *h, uint64_t id) {
  for (struct hz_link *l = h->sessions.next; l != &h->sessions; l = l->next) {
    struct hz_wt *wt = HZ_CONTAINER(l, struct hz_wt, link);
    if (wt->id == id) return wt;
  }
  return NULL;
}

static bool is_gone(const struct hz_wt_hub *h, uint64_t id) {
  uint32_t n = h->gone_count < HZ_WT_GONE ? h->gone_count : HZ_WT_GONE;
  for (uint32_t i = 0; i < n; i++)
    if (h->gone[i] == id) return true;
  return false;
}

void hz_wt_hub_enter(struct hz_wt_hub *h, struct hz_wt *wt, uint64_t id) {
  wt->hub = h;
  wt->id = id;
  hz_list_push(&h->sessions, &wt->link);
  h->count++;
  if (wt->conn.role == HZ_CLIENT || h->count <= h->most) return;
  h->most = h->count; /* its own stream is none of those that the limit is about */
  ngtcp2_conn_extend_max_streams_bidi(hz_h3_carrier(h->h3)->qc, 1);
}

void hz_wt_hub_refuse(struct hz_wt_hub *h, uint64_t id) {
  h->gone[h->gone_count++ % HZ_WT_GONE] = id;
  hz_wt_early_refuse(h, id, HZ_WT_SESSION_GONE);
}

void hz_wt_hub_leave(struct hz_wt *wt, bool at_once) {
  struct hz_wt_hub *h = wt->hub;
  if (h == NULL) return;
  struct hz_quic_stream *s;
  while ((s = hz_wt_next_stream(wt, NULL)) != NULL) {
    /* The core has its last word of it now, QUIC later. What could not be sent in time will not be. */
    bool now = at_once || !hz_quic_stream_flushed(s);
    if (now) hz_h3_raw_give_up(s, HZ_WT_SESSION_GONE);
    s->base.conn->events->stream_closed(&s->base);
    s->base.conn = &h->limbo;
    s->base.user = now ? NULL : hz_wt_orphan_of(wt->id);
  }
  hz_list_remove(&wt->link);
  h->count--;
  wt->hub = NULL;
  hz_wt_hub_refuse(h, wt->id);
}

uint32_t hz_wt_drafts_of(const struct hz_transport_config *config) {
  return config->wt_drafts == 0 ? HZ_WT_DRAFTS : config->wt_drafts;
}

/* ---- the extension ---- */

static size_t settings(struct hz_h3 *h3, struct hz_h3_setting *out) {
  const struct hz_quic_conn *c = hz_h3_carrier(h3);
  if (c->base.role == HZ_SERVER)
    return hz_wt_settings_make(hz_wt_drafts_of(&c->base.listener->config), c->limits->wt_sessions,
                               out);
  return hz_h3_is_dialled_for(h3, hz_wt_kind.protocol) ? hz_wt_settings_make(HZ_WT_DRAFTS, 1, out)
                                                       : 0;
}

static void setting(struct hz_h3 *h3, const struct hz_h3_setting *one) {
  struct hz_wt_settings probe = {.drafts = 0};
  if (!hz_wt_settings_take(&probe, one)) return;
  struct hz_wt_hub *h = hz_wt_hub_of(h3);
  if (h == NULL)
    (void)hz_h3_raw_fail(h3, NGHTTP3_H3_INTERNAL_ERROR, "memory is short");
  else
    (void)hz_wt_settings_take(&h->peer, one);
}

static struct hz_conn *stream(struct hz_h3 *h3, uint64_t id, enum hz_dir dir, uint64_t *code) {
  struct hz_wt_hub *h = hz_wt_hub_of(h3);
  (void)dir;
  *code = NGHTTP3_H3_REQUEST_REJECTED;
  if (h == NULL) return NULL;
  struct hz_wt *wt = hz_wt_hub_find(h, id);
  if (wt != NULL && !wt->conn.closing) return hz_wt_owner(wt);
  *code = wt != NULL || is_gone(h, id) ? HZ_WT_SESSION_GONE : HZ_WT_BUFFERED_STREAM_REJECTED;
  if (*code == HZ_WT_BUFFERED_STREAM_REJECTED && hz_wt_early_room(h)) {
    h->arriving = id;
    return &h->limbo;
  }
  hz_listener_note(h->limbo.listener, "wt_streams_rejected", NULL);
  return NULL;
}

static void datagram(struct hz_h3 *h3, uint64_t id, const uint8_t *data, size_t len) {
  struct hz_wt_hub *h = hz_wt_hub_of(h3);
  struct hz_wt *wt = h == NULL ? NULL : hz_wt_hub_find(h, id);
  if (wt != NULL && !wt->conn.closing) {
    hz_wt_take_datagram(wt, data, len);
  } else if (h == NULL || wt != NULL || is_gone(h, id)) {
    hz_listener_note(hz_h3_carrier(h3)->base.listener, "datagrams_dropped", NULL);
  } else {
    hz_wt_early_datagram(h, id, data, len);
  }
}

/* What is not an application's says nothing to it. */
static uint64_t code_of(uint64_t wire) {
  uint32_t code;
  return hz_wt_code_of_wire(wire, &code) ? code : 0;
}

static void slots(struct hz_h3 *h3, enum hz_dir dir) {
  struct hz_wt_hub *h = known(h3);
  struct hz_link *l = h == NULL ? NULL : h->sessions.next;
  while (l != NULL && l != &h->sessions) {
    struct hz_wt *wt = HZ_CONTAINER(l, struct hz_wt, link);
    l = l->next;
    if (!wt->want[dir] || wt->conn.closing) continue;
    wt->want[dir] = false;
    if (wt->conn.events->slots != NULL) wt->conn.events->slots(&wt->conn);
  }
}

/* The peer has heard that the session is closed: now for what is left of it. Earlier a browser takes resets for a
 * connection that was lost. */
static void ended(struct hz_h3 *h3, uint64_t id) {
  struct hz_wt_hub *h = known(h3);
  struct hz_quic_streams *set = hz_h3_carrier(h3)->set;
  struct hz_link *l = h == NULL ? &set->streams : set->streams.next;
  for (; l != &set->streams; l = l->next) {
    struct hz_quic_stream *s = HZ_CONTAINER(l, struct hz_quic_stream, link);
    if (s->base.conn != &h->limbo || s->base.user != hz_wt_orphan_of(id)) continue;
    s->base.user = NULL;
    hz_h3_raw_give_up(s, HZ_WT_SESSION_GONE);
  }
}

static void written(struct hz_h3 *h3) {
  struct hz_wt_hub *h = known(h3);
  struct hz_link *l = h == NULL ? NULL : h->sessions.next;
  while (l != NULL && l != &h->sessions) {
    struct hz_wt *wt = HZ_CONTAINER(l, struct hz_wt, link);
    l = l->next;
    hz_wt_send_rests(wt);
    if (wt->flushing) hz_wt_progress(wt);
  }
}

static void end(struct hz_h3 *h3) {
  struct hz_wt_hub *h = known(h3);
  if (h == NULL) return;
  hz_wt_early_fini(h);
  while (!hz_list_empty(&h->sessions)) {
    struct hz_wt *wt = HZ_CONTAINER(hz_list_pop(&h->sessions), struct hz_wt, link);
    wt->hub = NULL;
  }
  hz_free(env_of(h3)->alloc, h);
  *hz_h3_extension_state(h3) = NULL;
}

const struct hz_h3_extension hz_wt_extension = {.settings = settings,
                                                .setting = setting,
                                                .stream = stream,
                                                .datagram = datagram,
                                                .code_of = code_of,
                                                .slots = slots,
                                                .ended = ended,
                                                .written = written,
                                                .end = end};
