/* Calls of a client: waiting for their turn, content both ways, deadlines, cancellation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text_scan.h"
#include "core/app/client.h"
#include "core/dispatch/call.h"

const size_t hz_client_call_size = sizeof(struct herz_call_handle);

static herz_call_handle *handle_of(struct hz_outcall *x) {
  return HZ_CONTAINER(x, herz_call_handle, inv.call);
}

static void call_free(herz_call_handle *h) {
  struct hz_env *env = h->cl->w->env;

  hz_wheel_cancel(&env->wheel, &h->timer);
  hz_env_undefer(&h->cancel);
  hz_list_remove(&h->link);
  hz_buf_unref(h->collected);
  hz_arena_reset(&h->arena);
  hz_cache_put(&h->cl->w->client_calls, h);
}

void hz_client_call_end(herz_call_handle *h, hz_err err, const char *text) {
  hz_list_remove(&h->link);
  if (h->cl->resume.on) hz_client_settled(h->cl, h->inv.id);
  h->rs.err = (int)err;
  h->rs.text = text;
  h->rs.early = h->inv.call.early;
  if (h->collected != NULL) {
    h->rs.body = hz_buf_data(h->collected);
    h->rs.body_len = h->collected->len;
  }
  h->done(&h->rs, h->arg);
  call_free(h);
}

/* Takes the call back from its carrier, if it has one. */
static void take_back(herz_call_handle *h, uint32_t code) {
  struct hz_outcall *x = &h->inv.call;

  if (x->carrier != NULL) x->ops->cancel(x, code);
}

static void give_up(herz_call_handle *h, uint32_t code, hz_err err, const char *text) {
  take_back(h, code);
  hz_client_call_end(h, err, text);
}

/* As give_up() from inside an event of the call itself: who called it still looks at `inv`. */
static void give_up_later(herz_call_handle *h, uint32_t code, hz_err err, const char *text) {
  take_back(h, code);
  h->cancel_err = err;
  h->cancel_text = text;
  hz_env_defer(h->cl->w->env, &h->cancel);
}

void hz_client_fail_calls(herz_client *cl, hz_err err, const char *text) {
  while (!hz_list_empty(&cl->active)) {
    give_up(HZ_CONTAINER(cl->active.next, herz_call_handle, link), HZ_CANCEL_GONE, err, text);
  }
  while (!hz_list_empty(&cl->queue)) {
    hz_client_call_end(HZ_CONTAINER(cl->queue.next, herz_call_handle, link), err, text);
  }
}

/* ---- content to the server ---- */

static long fill(herz_call_handle *h, uint8_t *dst, size_t cap) {
  size_t n = h->upload_left < cap ? h->upload_left : cap;

  if (h->source != NULL) return h->source(h->source_arg, dst, cap);
  if (n > 0) memcpy(dst, h->upload, n);
  h->upload += n;
  h->upload_left -= n;
  return (long)n;
}

static void send_content(herz_call_handle *h) {
  struct hz_outcall *x = &h->inv.call;

  while (!h->sent_all && x->carrier != NULL && x->ops->room(x) > 0) {
    size_t cap;
    uint8_t *dst = x->ops->reserve(x, &cap);

    if (dst == NULL) {
      give_up_later(h, HZ_CANCEL_INTERNAL, HZ_ENOMEM, "memory is short");
      return;
    }
    long n = fill(h, dst, cap);
    bool failed = n < 0 || (size_t)n > cap;
    hz_err err = x->ops->commit(x, failed ? 0 : (size_t)n);
    if (failed) {
      give_up_later(h, HZ_CANCEL_INTERNAL, HZ_EIO, "the request's content could not be read");
      return;
    }
    if (err != HZ_OK) return; /* `end` tells why */
    if (n == 0 || (h->source == NULL && h->upload_left == 0)) {
      h->sent_all = true;
      x->ops->finish(x, NULL, 0);
    }
  }
}

static void on_writable(struct hz_outcall *x) {
  send_content(handle_of(x));
}

/* ---- the answer ---- */

static hz_err keep_head(herz_call_handle *h, const struct hz_response *rs) {
  h->rs.status = (int)rs->status;
  h->rs.kind = (enum herz_body_kind)rs->body.kind;
  if (rs->body.kind == HZ_BODY_FOLLOWS) h->rs.kind = HERZ_BODY_BYTES;
  if (rs->header_count == 0) return HZ_OK;
  const struct herz_header *headers = hz_fields_keep(&h->arena, rs->headers, rs->header_count);
  if (headers == NULL) return HZ_ENOMEM;
  h->rs.headers = headers;
  h->rs.header_count = rs->header_count;
  if (rs->body.kind != HZ_BODY_FOLLOWS) return HZ_OK;
  for (uint32_t i = 0; i < rs->header_count; i++) {
    if (strcasecmp(headers[i].name, "content-type") == 0) {
      h->rs.kind = (enum herz_body_kind)hz_body_kind_of_type(headers[i].value);
    }
  }
  return HZ_OK;
}

static hz_err collect(herz_call_handle *h, const void *data, size_t len) {
  struct hz_env *env = h->cl->w->env;
  size_t have = h->collected == NULL ? 0 : h->collected->len;

  if (have + len > h->cl->app->config.transport.limits.body_bytes) return HZ_ELIMIT;
  if (h->collected == NULL) h->collected = hz_buf_new(&env->pool, len);
  if (h->collected == NULL) return HZ_ENOMEM;
  if (hz_buf_room(h->collected) < len) {
    hz_err err = hz_buf_reserve(&h->collected, have > len ? have : len);

    if (err != HZ_OK) return err;
  }
  return hz_buf_append(h->collected, data, len);
}

/* True when the bytes are used up, false when they are held back. */
static bool hand_over(herz_call_handle *h, const void *data, size_t len) {
  bool more;

  h->in_callback = true;
  more = h->on_data(h, &h->rs, data, len, h->arg);
  h->in_callback = false;
  if (!more) h->paused = true;
  return !h->paused;
}

static void take_content(herz_call_handle *h, const void *data, size_t len, bool streamed) {
  struct hz_outcall *x = &h->inv.call;

  if (h->on_data != NULL) {
    if (!hand_over(h, data, len)) {
      h->held += streamed ? len : 0;
    } else if (streamed && len > 0) {
      x->ops->consume(x, len);
    }
    return;
  }
  if (len == 0) return;
  hz_err err = collect(h, data, len);
  if (err != HZ_OK) {
    give_up_later(h, HZ_CANCEL_UNWANTED, err,
                  err == HZ_ELIMIT ? "the answer is over limits.body_bytes: take it in pieces"
                                   : "memory is short");
    return;
  }
  if (streamed) x->ops->consume(x, len);
}

static void on_response(struct hz_outcall *x, const struct hz_response *rs) {
  herz_call_handle *h = handle_of(x);

  if (keep_head(h, rs) != HZ_OK) {
    give_up_later(h, HZ_CANCEL_INTERNAL, HZ_ENOMEM, "memory is short");
    return;
  }
  /* With on_data the head is announced even when no content follows. */
  take_content(h, rs->body.data.p, rs->body.kind == HZ_BODY_FOLLOWS ? 0 : rs->body.data.n, false);
}

static void on_data(struct hz_outcall *x, const uint8_t *data, size_t len) {
  take_content(handle_of(x), data, len, true);
}

static void on_trailers(struct hz_outcall *x, const struct hz_header *fields, uint32_t count) {
  herz_call_handle *h = handle_of(x);

  h->rs.trailers = hz_fields_keep(&h->arena, fields, count);
  if (h->rs.trailers != NULL) h->rs.trailer_count = count; /* else the answer stands without */
}

/* The connection has gone, the session has not: what went as a whole goes again, under its id. An answer that
 * was coming in pieces begins anew if nobody has seen any of it, and to ask twice does no harm. */
static bool repeat(herz_call_handle *h) {
  const struct hz_session *s = h->cl->session;
  bool begun = h->rs.status != 0;

  if (s == NULL || !s->failing || h->inv.id == 0) return false;
  if (h->rq.body.kind == HZ_BODY_FOLLOWS) return false;
  if (begun && (!h->safe || h->on_data != NULL)) return false;
  hz_buf_unref(h->collected);
  h->collected = NULL;
  h->rs = (struct herz_response){0};
  h->inv.again = h->inv.id;
  hz_list_remove(&h->link);
  hz_list_push(&h->cl->queue, &h->link);
  return true;
}

static void on_end(struct hz_outcall *x, hz_err err, const char *text) {
  herz_call_handle *h = handle_of(x);
  herz_client *cl = h->cl;

  /* What left in 0-RTT and was refused has not been seen by anybody: it goes again. */
  if (err == HZ_ERESET && x->early && x->early_refused && h->rs.status == 0) {
    hz_list_remove(&h->link);
    hz_list_push(&cl->queue, &h->link);
    return;
  }
  if (err != HZ_OK && hz_client_goes_on(cl) && repeat(h)) return;
  hz_client_call_end(h, err, text);
}

static const struct hz_outcall_events outcall_events = {.response = on_response,
                                                        .data = on_data,
                                                        .trailers = on_trailers,
                                                        .writable = on_writable,
                                                        .end = on_end};

/* ---- starting ---- */

static void late(struct hz_wheel_timer *t, hz_time now) {
  herz_call_handle *h = HZ_CONTAINER(t, herz_call_handle, timer);

  (void)now;
  give_up(h, HZ_CANCEL_DEADLINE, HZ_ETIMEOUT,
          h->rs.status == 0 ? "no answer came in time" : "the answer was not complete in time");
}

/* HZ_AGAIN: it has to wait. Any other failure ended the call. */
static hz_err start(herz_call_handle *h) {
  herz_client *cl = h->cl;
  struct hz_session *s = cl->session;
  hz_err err;

  if (s == NULL || !hz_session_usable(s)) return HZ_AGAIN;
  if (s->conn->early && !h->safe) return HZ_AGAIN;
  h->inv.call.events = &outcall_events;
  h->inv.call.early_refused = false;
  hz_list_remove(&h->link);
  hz_list_push(&cl->active, &h->link);
  err = hz_invoke(s, &h->rq, &h->inv);
  if (err == HZ_OK) {
    h->sent_all = h->rq.body.kind != HZ_BODY_FOLLOWS;
    send_content(h);
    return HZ_OK;
  }
  hz_list_remove(&h->link);
  hz_list_push(&cl->queue, &h->link);
  if (err == HZ_AGAIN || err == HZ_ECLOSED) return HZ_AGAIN;
  hz_client_call_end(h, err, hz_strerror((int)err));
  return err;
}

void hz_client_calls_forsaken(herz_client *cl) {
  struct hz_link all;

  hz_list_init(&all);
  hz_list_splice(&all, &cl->queue);
  while (!hz_list_empty(&all)) {
    herz_call_handle *h = HZ_CONTAINER(all.next, herz_call_handle, link);
    bool sent = h->inv.again != 0;

    h->inv.again = h->inv.id = 0;
    if (sent && !h->safe) {
      hz_client_call_end(h, HZ_ERESET,
                         "the session is gone: it is not known whether this was done");
      continue;
    }
    hz_list_remove(&h->link);
    hz_list_push(&cl->queue, &h->link);
  }
}

void hz_client_pump(herz_client *cl) {
  struct hz_link waiting;

  if (cl->session == NULL || !hz_session_usable(cl->session)) return;
  hz_list_init(&waiting);
  hz_list_splice(&waiting, &cl->queue);
  while (!hz_list_empty(&waiting)) {
    herz_call_handle *h = HZ_CONTAINER(waiting.next, herz_call_handle, link);
    bool held_back =
        cl->session != NULL && cl->session->conn != NULL && cl->session->conn->early && !h->safe;

    if (held_back) {
      hz_list_remove(&h->link);
      hz_list_push(&cl->queue, &h->link);
    } else if (start(h) == HZ_AGAIN) {
      /* start() put it at the end of the queue, which holds only such as were skipped: what is left
       * follows it in order. */
      break;
    }
  }
  hz_list_splice(&cl->queue, &waiting);
}

/* What the server would take for a broken frame, and end the connection with all its calls. */
static bool request_ok(const struct hz_str method, const struct hz_str path,
                       const struct herz_request *rq) {
  struct hz_str body = {rq->body, rq->body_len};
  enum hz_body_kind kind = (enum hz_body_kind)rq->kind;

  if (!hz_text_ok((const uint8_t *)method.p, method.n, HZ_TEXT_ANY)) return false;
  if (!hz_text_ok((const uint8_t *)path.p, path.n, HZ_TEXT_ANY)) return false;
  if (rq->header_count > HZ_HEADERS_MAX) return false;
  for (uint32_t i = 0; i < rq->header_count; i++) {
    if (!hz_header_ok(rq->headers[i].name, rq->headers[i].value)) return false;
  }
  return rq->source != NULL || body.n == 0 || hz_honest_kind(kind, body) == kind;
}

/* A copy that goes with the call. `out->p` is NULL when memory is short. */
static void copy_text(struct hz_arena *a, const char *text, struct hz_str *out) {
  size_t len = strlen(text);

  *out = (struct hz_str){hz_arena_strdup(a, (struct hz_str){text, len}), len};
}

/* What stands longer than the call anyhow is not copied: the usual method, the client's own path. */
static hz_err copy_request(herz_call_handle *h, const struct herz_request *rq) {
  struct hz_arena *a = &h->arena;
  struct hz_header *headers = NULL;
  struct hz_str m = HZ_STR("GET"), p = h->cl->path;

  if (rq->method != NULL) copy_text(a, rq->method, &m);
  if (rq->path != NULL) copy_text(a, rq->path, &p);
  if (m.p == NULL || p.p == NULL) return HZ_ENOMEM;
  if (!request_ok(m, p, rq)) return HZ_EINVAL;
  if (rq->header_count > 0) {
    headers = hz_arena_alloc(a, rq->header_count * sizeof(*headers));
    if (headers == NULL) return HZ_ENOMEM;
  }
  for (uint32_t i = 0; i < rq->header_count; i++) {
    copy_text(a, rq->headers[i].name, &headers[i].name);
    copy_text(a, rq->headers[i].value, &headers[i].value);
    if (headers[i].name.p == NULL || headers[i].value.p == NULL) return HZ_ENOMEM;
  }
  h->rq = (struct hz_request){
      .method = m, .path = p, .headers = headers, .header_count = rq->header_count};
  h->safe = strcmp(m.p, "GET") == 0 || strcmp(m.p, "HEAD") == 0 || strcmp(m.p, "OPTIONS") == 0;
  return HZ_OK;
}

static hz_err copy_body(herz_call_handle *h, const struct herz_request *rq) {
  h->source = rq->source;
  h->source_arg = rq->source_arg;
  if (rq->source != NULL) {
    h->rq.body.kind = HZ_BODY_FOLLOWS;
    return HZ_OK;
  }
  if (rq->body_len == 0) return HZ_OK;
  char *copy = hz_arena_strdup(&h->arena, (struct hz_str){rq->body, rq->body_len});
  if (copy == NULL) return HZ_ENOMEM;
  if (rq->body_len <= HZ_INLINE_BYTES) {
    h->rq.body.kind = rq->kind == HERZ_BODY_NONE ? HZ_BODY_BYTES : (enum hz_body_kind)rq->kind;
    h->rq.body.data = (struct hz_str){copy, rq->body_len};
  } else {
    h->rq.body = (struct hz_body){HZ_BODY_FOLLOWS, {NULL, rq->body_len}};
    h->upload = (const uint8_t *)copy;
    h->upload_left = rq->body_len;
  }
  return HZ_OK;
}

static void cancel_due(struct hz_task *t) {
  herz_call_handle *h = HZ_CONTAINER(t, herz_call_handle, cancel);

  give_up(h, HZ_CANCEL_UNWANTED, h->cancel_err, h->cancel_text);
}

int herz_call(herz_client *cl, const struct herz_request *rq,
              void (*done)(const struct herz_response *, void *), void *arg,
              herz_call_handle **out) {
  struct hz_env *env = cl->w->env;
  const struct hz_limits *limits = &cl->app->config.transport.limits;
  herz_call_handle *h;
  hz_err err;

  if (cl->closing) return HERZ_ECLOSED;
  h = hz_cache_get(&cl->w->client_calls);
  if (h == NULL) return HERZ_ENOMEM;
  h->cl = cl;
  h->done = done;
  h->arg = arg;
  h->on_data = rq->on_data;
  h->cancel.fn = cancel_due;
  h->cancel_err = HZ_ECANCELED;
  h->cancel_text = "cancelled";
  hz_arena_init(&h->arena, &env->pool, limits->call_memory_bytes + rq->body_len);
  err = copy_request(h, rq);
  if (err == HZ_OK) err = copy_body(h, rq);
  /* Content that leaves in pieces is gone when early data is refused: it cannot be sent again. */
  if (h->rq.body.kind == HZ_BODY_FOLLOWS) h->safe = false;
  hz_time timeout = rq->timeout_ms > 0 ? rq->timeout_ms * HZ_MS : limits->call_timeout_ns;
  if (err != HZ_OK) {
    call_free(h);
    return (int)err;
  }
  hz_wheel_set(&env->wheel, &h->timer, env->now + timeout, late);
  hz_list_push(&cl->queue, &h->link);
  if (out != NULL) *out = h;
  hz_env_defer(env, &cl->settle);
  return 0;
}

void herz_call_cancel(herz_call_handle *h) {
  hz_env_defer(h->cl->w->env, &h->cancel);
}

void herz_call_resume(herz_call_handle *h) {
  size_t held = h->held;

  h->paused = false;
  h->held = 0;
  if (held > 0 && h->inv.call.carrier != NULL) h->inv.call.ops->consume(&h->inv.call, held);
}
