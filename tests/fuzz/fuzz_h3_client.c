/* HTTP/3 calls to a server that answers whatever the input says. Each call ends once, with an answer or an
 * error, and nothing is left. */
#include "core/message/outcall.h"
#include "tests/support/h3_fuzz.h"

#define CALLS 4u

struct call {
  struct hz_outcall x; /* first */
  bool made, ended, responded, trailed;
  size_t len;
  bool reads; /* what comes is given back at once */
};

struct world {
  struct sim *sim;
  struct fz_peer peer; /* the server's connection */
  struct hz_listener *listener;
  struct hz_conn *conn; /* the client's; NULL: closed */
  struct call calls[CALLS];
  bool opened, closed;
};
static struct world w;

static struct call *call_of(struct hz_outcall *x) {
  return (struct call *)(void *)x;
}

static void on_response(struct hz_outcall *x, const struct hz_response *rs) {
  struct call *c = call_of(x);
  fz_check(!c->responded && !c->ended);
  fz_check(rs->status >= 200 && rs->status <= 999);
  c->responded = true;
}
static void on_data(struct hz_outcall *x, const uint8_t *data, size_t len) {
  struct call *c = call_of(x);
  volatile uint8_t sum = 0;
  fz_check(c->responded && !c->ended && !c->trailed);
  for (size_t i = 0; i < len; i++) sum = (uint8_t)(sum + data[i]);
  c->len += len;
  if (c->reads && len > 0) x->ops->consume(x, len);
}
static void on_trailers(struct hz_outcall *x, const struct hz_header *fields, uint32_t count) {
  struct call *c = call_of(x);
  fz_check(c->responded && !c->ended && !c->trailed && count > 0 && fields[0].name.n > 0);
  c->trailed = true;
}
static void on_writable(struct hz_outcall *x) {
  (void)x;
}
static void on_end(struct hz_outcall *x, hz_err err, const char *text) {
  struct call *c = call_of(x);
  fz_check(!c->ended && text != NULL && (err != HZ_OK || c->responded));
  c->ended = true;
}
static const struct hz_outcall_events call_events = {.response = on_response,
                                                     .data = on_data,
                                                     .trailers = on_trailers,
                                                     .writable = on_writable,
                                                     .end = on_end};

static void make_calls(void) {
  static const struct hz_header head[] = {{{"accept", 6}, {"*/*", 3}}};
  static const char *const methods[CALLS] = {"GET", "HEAD", "POST", "GET"};
  for (unsigned i = 0; i < CALLS && w.conn != NULL; i++) {
    struct call *c = &w.calls[i];
    struct hz_request rq = {
        .method = hz_str_of(methods[i]), .path = HZ_STR("/"), .headers = head, .header_count = 1};
    if (i == 2) rq.body = (struct hz_body){HZ_BODY_BYTES, HZ_STR("body")};
    c->x.events = &call_events;
    c->reads = i != 3;
    c->made = w.conn->ops->request(w.conn, &rq, &c->x) == HZ_OK;
  }
}

static void cl_opened(struct hz_conn *c) {
  (void)c;
  w.opened = true;
}
static void cl_confirmed(struct hz_conn *c, bool accepted) {
  (void)c, (void)accepted;
}
static void cl_slots(struct hz_conn *c) {
  (void)c;
}
static void cl_closed(struct hz_conn *c, const struct hz_close *why) {
  (void)why;
  for (unsigned i = 0; i < CALLS; i++) fz_check(!w.calls[i].made || w.calls[i].ended);
  w.conn = NULL;
  w.closed = true;
  c->ops->destroy(c);
}
static const struct hz_conn_events client_events = {
    .opened = cl_opened, .confirmed = cl_confirmed, .slots = cl_slots, .closed = cl_closed};

static bool admit(struct hz_listener *l) {
  (void)l;
  return true;
}
static void accepted(struct hz_listener *l, struct hz_conn *c) {
  (void)l;
  c->events = &fz_events;
  c->user = &w.peer;
  w.peer.conn = c;
}

static void start(void) {
  struct hz_endpoint at = {
      .scheme = "quic", .host_kind = HZ_HOST_IPV4, .host = FZ_SERVER, .port = 4433};
  struct hz_listener proto = {
      .env = sim_host(w.sim, FZ_SERVER), .admit = admit, .accepted = accepted};
  struct hz_transport_config config = {.tls = {.ca_file = fz_cert, .server_name = "localhost"}};
  char why[256];
  proto.ops = hz_transport_quic();
  proto.config.tls.cert_file = fz_cert;
  proto.config.tls.key_file = fz_key;
  hz_limits_defaults(&proto.config.limits);
  fz_check(proto.ops->listen(&proto, &at, &w.listener, why, sizeof(why)) == HZ_OK);
  config.limits =
      (struct hz_limits){.header_bytes = 2048, .header_count = 16, .call_credit_bytes = 16384};
  hz_limits_defaults(&config.limits);
  strcpy(at.scheme, "h3");
  fz_check(hz_transport_h3()->dial(sim_host(w.sim, FZ_CLIENT), &at, &config, &client_events, NULL,
                                   &w.conn, why, sizeof(why)) == HZ_OK);
}

static bool is_open(void *arg) {
  (void)arg;
  return (w.opened && w.peer.opened) || w.closed;
}
static bool is_over(void *arg) {
  (void)arg;
  return w.closed && w.peer.conn == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct hz_close why;
  fz_identity();
  hz_quic_app_register(fz_raw());
  memset(&w, 0, sizeof(w));
  w.peer.sim = w.sim = sim_new("fuzz/h3_client", 1);
  (void)sim_host(w.sim, FZ_SERVER), (void)sim_host(w.sim, FZ_CLIENT);
  sim_path(w.sim, FZ_SERVER, FZ_CLIENT, &(struct sim_link){.delay_ns = HZ_MS});
  start();
  fz_check(sim_run_until(w.sim, is_open, NULL, sim_now(w.sim) + 60 * HZ_SEC));
  fz_check(w.opened && w.peer.opened);
  make_calls();
  sim_run_for(w.sim, 20 * HZ_MS);
  for (size_t at = 0; at < size;) at += fz_step(&w.peer, data + at, size - at, false);
  sim_run_for(w.sim, 100 * HZ_MS);
  for (unsigned i = 0; i < CALLS; i++) {
    struct call *c = &w.calls[i];
    if (!c->made || c->ended || i % 2 != 0) continue;
    c->x.ops->cancel(&c->x,
                     HZ_CANCEL_UNWANTED); /* half of those that are left; the others end with it */
    c->ended = true;
  }
  hz_close_set(&why, HZ_BY_LOCAL, HZ_LAYER_APP, 0x100, HZ_OK, "bye");
  if (w.conn != NULL) w.conn->ops->close(w.conn, &why);
  if (w.peer.conn != NULL) w.peer.conn->ops->close(w.peer.conn, &why);
  fz_check(sim_run_until(w.sim, is_over, NULL, sim_now(w.sim) + 300 * HZ_SEC));
  w.listener->ops->unlisten(w.listener);
  sim_run_for(w.sim, 60 * HZ_SEC);
  fz_check(sim_free(w.sim) == 0);
  return 0;
}
