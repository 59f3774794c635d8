/* Sessions that clients ask for: who may have one. Not here: what a session does (session.c). */
#include "transports/common/http_text.h"
#include "transports/common/origin.h"
#include "transports/webtransport/plain.h"
#include "transports/webtransport/webtransport.h"

/* Whether the name that was asked for is one of a generation that is offered here. */
static bool offered(const struct hz_tunnel_offer *o) {
  uint32_t drafts = hz_wt_drafts_of(&o->listener->config);
  bool newest = hz_str_eq(o->protocol, hz_str_of(hz_wt_kind_h3.protocol));
  return (drafts & (newest ? HZ_WT_DRAFT_15 : HZ_WT_DRAFTS)) != 0;
}

/* Frames of Herz's, or plain mode. */
static bool is_native(const struct hz_tunnel_offer *o) {
  return hz_str_eq(o->path, HZ_STR(HZ_WT_PATH));
}

/* 0, or the status that refuses it. */
static uint16_t judge(const struct hz_tunnel_offer *o, const struct hz_wt_hub *h,
                      const char **text) {
  const struct hz_transport_config *config = &o->listener->config;
  struct hz_str origin = hz_http_field_get(o->fields, o->count, "origin");
  if (!offered(o)) {
    *text = "this draft of WebTransport is not spoken here";
    return 501;
  }
  if (!hz_str_ieq(o->scheme, HZ_STR("https"))) {
    *text = "WebTransport is opened with the scheme https";
    return 400;
  }
  if (hz_http_field_count(o->fields, o->count, "origin") > 1) {
    *text = "more than one Origin header";
    return 400;
  }
  if (origin.p != NULL && !hz_origin_allowed(origin, o->authority, config->origins)) {
    *text = "pages of this origin may not connect here";
    return 403;
  }
  if (!is_native(o) && o->carrier->events->message == NULL) {
    *text = "sessions are opened at " HZ_WT_PATH;
    return 404;
  }
  if (h->count >= config->limits.wt_sessions) {
    *text = "too many sessions on this connection";
    return 429;
  }
  return 0;
}

static void refuse(struct hz_tunnel *t, const struct hz_tunnel_offer *o, uint16_t status,
                   const char *text) {
  hz_listener_note(o->listener, "wt_refused", text);
  hz_tunnel_refuse(t, status, text);
}

static struct hz_io *accept_io(struct hz_tunnel *t, const struct hz_tunnel_offer *o) {
  static const struct hz_header draft02 = {{"sec-webtransport-http3-draft", 28}, {"draft02", 7}};
  bool old = hz_http_field_get(o->fields, o->count, "sec-webtransport-http3-draft02").p != NULL;
  return hz_tunnel_accept(t, 200, &draft02, old ? 1 : 0);
}

static void begin(struct hz_wt *wt, struct hz_io *io, struct hz_wt_hub *h) {
  struct hz_listener *l = wt->conn.listener;
  uint64_t id = 0;
  (void)hz_h3_of_tunnel(io, &id);
  wt->io = io;
  io->events = &hz_wt_io_events;
  io->user = wt;
  l->accepted(l, &wt->conn); /* it counts as one of wt in either mode */
  if (wt->plain != NULL) wt->conn.ops = hz_wt_plain_ops();
  if (!wt->conn.closing) hz_wt_open(wt, h, id);
}

static void take(struct hz_tunnel *t, const struct hz_tunnel_offer *o) {
  uint64_t id = 0;
  const char *text = "memory is short";
  struct hz_h3 *h3 = hz_h3_of_tunnel(&t->io, &id);
  struct hz_wt_hub *h = hz_wt_hub_of(h3);
  uint16_t status = h == NULL ? 503 : judge(o, h, &text);
  struct hz_wt *wt = status != 0 ? NULL : hz_wt_new(t->io.env);
  if (status == 0 &&
      (wt == NULL || (o->listener->admit != NULL && !o->listener->admit(o->listener)))) {
    if (wt != NULL) text = "too many connections";
    if (wt != NULL) hz_wt_free(wt);
    wt = NULL;
    status = 503;
  }
  if (wt == NULL) {
    refuse(t, o, status, text);
    if (h != NULL) hz_wt_hub_refuse(h, id);
    return;
  }
  wt->conn.role = HZ_SERVER;
  wt->conn.listener = o->listener;
  hz_iolistener_ref(o->listener);
  struct hz_io *io = NULL;
  if (is_native(o) || hz_wt_plain_new(wt, o) == HZ_OK)
    io = accept_io(t, o);
  else
    refuse(t, o, 503, text);
  if (io != NULL) {
    begin(wt, io, h);
    return;
  }
  hz_listener_forgo(o->listener);
  hz_wt_hub_refuse(h, id);
  hz_wt_free(wt);
}

const struct hz_tunnel_kind hz_wt_kind = {
    .protocol = "webtransport", .after_settings = true, .take = take};
const struct hz_tunnel_kind hz_wt_kind_h3 = {
    .protocol = "webtransport-h3", .after_settings = true, .take = take};
