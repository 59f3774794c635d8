/* The life of a call: begun, collected, run, ended. Not here: reading the request (head.c), making the
 * answer (reply.c). */
#include "core/dispatch/call.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool safe_method(struct hz_str m) {
  return hz_str_eq(m, HZ_STR("GET")) || hz_str_eq(m, HZ_STR("HEAD")) ||
         hz_str_eq(m, HZ_STR("OPTIONS"));
}

/* ---- ending ---- */

static void log_line(herz_ctx *c, enum hz_log_level level) {
  struct hz_env *env = c->d->env;
  struct herz_peer peer = herz_peer(c);

  HZ_LOG(c->d->log, level, "call", HZ_F_STR("t", herz_trace_id(c)), HZ_F_STR("method", c->method),
         HZ_F_STR("path", c->path), HZ_F_NUM("status", c->status),
         HZ_F_NUM("us", (env->now - c->started) / HZ_US), HZ_F_NUM("bytes", c->bytes_out),
         HZ_F_STR("via", peer.transport), HZ_F_STR("peer", peer.address),
         HZ_F_STR("end", c->cancelled ? "cancelled" : "done"));
}

static void end(herz_ctx *c) {
  struct hz_dispatch *d = c->d;
  struct hz_exchange *x = c->x;
  enum hz_log_level level = c->status >= 500 ? HZ_LOG_WARN : HZ_LOG_INFO;

  c->state = HZ_CALL_ENDED;
  c->on_body = NULL;
  hz_wheel_cancel(&d->env->wheel, &c->deadline);
  if (c->log_line && level >= d->log->level) log_line(c, level);
  if (c->status >= 400) hz_call_failed(c);
  HZ_COUNT_T(d->counters, c->slot, content_bytes_in, c->bytes_in);
  HZ_COUNT_T(d->counters, c->slot, content_bytes_out, c->bytes_out);
  if (c->cancelled) HZ_COUNT(d->counters, calls_cancelled);
  if (c->deferred != NULL) hz_deferred_orphan(c);
  if (c->source.fd >= 0 || c->source.hold != NULL) hz_reply_drop_source(c);
  while (c->on_end != NULL) {
    struct hz_on_end *e = c->on_end;

    c->on_end = e->next;
    e->fn(e->arg);
  }
  c->x = NULL;
  if (c->collected != NULL && x->conn != NULL) x->conn->collected_bytes -= c->collected->len;
  hz_buf_unref(c->collected);
  if (c->shared != NULL) hz_head_unref(c->shared);
  hz_arena_reset(&c->arena);
  hz_cache_put(&d->calls, c);
  x->call = NULL;
  x->ops->release(x);
}

/* The handler gave no answer, or none that could be sent: its headers may be why. */
static void answer_for_it(herz_ctx *c) {
  HZ_COUNT(c->d->counters, calls_unanswered);
  HZ_LOG(c->d->log, HZ_LOG_ERROR, "a handler returned without an answer",
         HZ_F_STR("t", herz_trace_id(c)), HZ_F_STR("method", c->method),
         HZ_F_SLICE("route", c->match.pattern));
  if (herz_reply_error(c, HERZ_INTERNAL, "the handler gave no answer") != 0) {
    c->out_count = 0;
    (void)herz_reply_error(c, HERZ_INTERNAL, "the handler gave no answer");
  }
  end(c);
}

static void deadline_passed(struct hz_wheel_timer *t, hz_time now);

/* A call that goes on after what brought it has returned: most never come here, and need no timer. */
static void watch(herz_ctx *c) {
  if (hz_wheel_armed(&c->deadline) || c->due == HZ_TIME_NEVER) return;
  hz_wheel_set(&c->d->env->wheel, &c->deadline, c->due, deadline_passed);
}

void hz_call_settle(herz_ctx *c) {
  if (c->in_chain || c->state == HZ_CALL_ENDED) return;
  if (c->cancelled) {
    end(c);
    return;
  }
  switch (c->state) {
    case HZ_CALL_COLLECTING:
    case HZ_CALL_DEFERRED: break;
    case HZ_CALL_RUNNING:
      if (c->on_body != NULL && !c->body_done) break;
      answer_for_it(c);
      return;
    case HZ_CALL_SENDING:
      if (c->source.left != 0) break;
      end(c);
      return;
    case HZ_CALL_ENDED: return;
  }
  watch(c);
}

static void deadline_passed(struct hz_wheel_timer *t, hz_time now) {
  herz_ctx *c = HZ_CONTAINER(t, herz_ctx, deadline);

  (void)now;
  c->due = HZ_TIME_NEVER;            /* once is enough */
  if (!hz_deferred_break(c)) return; /* kept in time: its answer is in the mailbox */
  HZ_COUNT(c->d->counters, calls_timeout);
  if (c->state == HZ_CALL_SENDING) {
    c->x->ops->abort(c->x, HZ_CANCEL_DEADLINE);
    c->cancelled = true;
  } else {
    c->on_body = NULL;
    if (herz_reply_error(c, HERZ_DEADLINE, "the deadline of the call passed") != 0) {
      c->cancelled = true;
    }
  }
  hz_call_settle(c);
}

/* ---- running ---- */

void hz_call_guarded(herz_ctx *c, void (*fn)(herz_ctx *, void *), void *arg) {
  sigjmp_buf here, *outer = c->guard;
  bool was_in_chain = c->in_chain;

  c->in_chain = true;
  c->guard = &here;
  if (sigsetjmp(here, 0) == 0) {
    fn(c, arg);
  } else {
    HZ_COUNT(c->d->counters, calls_panicked);
    HZ_LOG(c->d->log, HZ_LOG_ERROR, "a handler panicked", HZ_F_STR("t", herz_trace_id(c)),
           HZ_F_STR("method", c->method), HZ_F_SLICE("route", c->match.pattern),
           HZ_F_STR("why", c->why));
    c->on_body = NULL;
    if (c->status == 0) {
      (void)herz_reply_error(c, HERZ_INTERNAL, "the handler failed");
    } else if (c->state == HZ_CALL_SENDING && c->x != NULL && c->source.left > 0) {
      c->x->ops->abort(c->x, HZ_CANCEL_INTERNAL);
      c->cancelled = true;
    }
  }
  c->guard = outer;
  c->in_chain = was_in_chain;
}

static void run_chain(herz_ctx *c, void *arg) {
  (void)arg;
  herz_next(c);
}

static void run(herz_ctx *c) {
  c->state = HZ_CALL_RUNNING;
  hz_call_guarded(c, run_chain, NULL);
  /* What was replied inside the chain starts to leave here, so that a source is never read while the
   * function that gave it is still on the stack. */
  if (c->state == HZ_CALL_SENDING && !c->cancelled) hz_reply_pump(c);
  hz_call_settle(c);
}

void herz_next(herz_ctx *c) {
  uint32_t mine = c->step;

  if (mine >= c->route->step_count) return;
  c->step = mine + 1;
  c->route->steps[mine].fn(c);
  c->step = mine;
}

uint32_t herz_worker(const herz_ctx *c) {
  return c->d->worker;
}

void *herz_arg(const herz_ctx *c) {
  return c->step == 0 ? NULL : c->route->steps[c->step - 1].arg;
}

void herz_panic(herz_ctx *c, const char *fmt, ...) {
  va_list ap;
  char text[256];

  va_start(ap, fmt);
  (void)vsnprintf(text, sizeof(text), fmt, ap);
  va_end(ap);
  if (c->guard == NULL) {
    /* There is nothing to unwind to: going on would be worse. */
    fprintf(stderr, "herz: herz_panic() outside of a handler: %s\n", text);
    abort();
  }
  c->why = hz_arena_strdup(&c->arena, hz_str_of(text));
  if (c->why == NULL) c->why = "(no memory for the text)";
  siglongjmp(*c->guard, 1);
}

static void guarded_next(herz_ctx *c, void *arg) {
  (void)arg;
  herz_next(c);
}

void herz_recovery(herz_ctx *c) {
  uint32_t mine = c->step;

  hz_call_guarded(c, guarded_next, NULL);
  c->step = mine;
}

void herz_logger(herz_ctx *c) {
  c->log_line = true;
  herz_next(c);
}

/* ---- beginning ---- */

static herz_ctx *call_new(struct hz_dispatch *d, struct hz_exchange *x) {
  herz_ctx *c = hz_cache_get(&d->calls);

  if (c == NULL) return NULL;
  c->d = d;
  c->x = x;
  c->slot = x->conn->slot;
  hz_conn_called(x->conn);
  HZ_COUNT_T(d->counters, c->slot, calls, 1);
  c->started = d->env->now;
  c->source.fd = -1;
  c->due = HZ_TIME_NEVER;
  hz_arena_init(&c->arena, &d->env->pool, d->limits->call_memory_bytes);
  hz_arena_lend(&c->arena, c->first, sizeof(c->first));
  x->call = c;
  return c;
}

/* Without memory for as much as a context there is only one thing to say. */
static void refuse_bare(struct hz_dispatch *d, struct hz_exchange *x) {
  HZ_COUNT(d->counters, no_memory);
  x->ops->abort(x, HZ_CANCEL_REFUSED);
  x->ops->release(x);
}

static void refuse(herz_ctx *c, int status, const char *text) {
  c->route = &c->d->routes->fallback;
  c->state = HZ_CALL_RUNNING;
  c->in_chain = true;
  if (herz_reply_error(c, status, "%s", text) != 0) c->cancelled = true;
  c->in_chain = false;
  hz_call_settle(c);
}

void hz_call_refuse(struct hz_dispatch *d, struct hz_exchange *x, uint32_t status,
                    const char *text) {
  static const struct hz_request nothing = {.method = {"-", 1}, .path = {"-", 1}};
  herz_ctx *c = call_new(d, x);

  HZ_COUNT(d->counters, calls);
  if (c == NULL || hz_call_copy_head(c, &nothing) != HZ_OK) {
    if (c != NULL) hz_cache_put(&d->calls, c);
    x->call = NULL;
    refuse_bare(d, x);
    return;
  }
  refuse(c, (int)status, text);
}

static void route(herz_ctx *c, const struct hz_request *rq) {
  /* The path's slices must outlive the carrier's bytes: matching is done on the copy. The lengths are
   * those of what came: a NUL inside must not hide what stands behind it. */
  struct hz_str path = {c->path, c->path_len};
  int found = hz_router_find(c->d->routes->router, rq->method, path, &c->match, &c->arena);

  if (found != HERZ_OK) c->unrouted = found;
  c->route = hz_routes_found(c->d->routes, found, &c->match);
}

static void body_too_large(herz_ctx *c) {
  char text[80];

  HZ_COUNT(c->d->counters, body_too_large);
  (void)snprintf(text, sizeof(text), "the body is over the limit of %" PRIu64 " bytes",
                 c->route->body_limit);
  refuse(c, HERZ_TOO_LARGE, text);
}

void hz_call_begin(struct hz_dispatch *d, const struct hz_request *rq, struct hz_exchange *x) {
  herz_ctx *c;

  if (rq->path.n > d->limits->path_bytes) {
    HZ_COUNT(d->counters, head_too_large);
    hz_call_refuse(d, x, 414, "the path is over the limit");
    return;
  }
  HZ_COUNT(d->counters, calls);
  c = call_new(d, x);
  if (c == NULL) {
    refuse_bare(d, x);
    return;
  }
  if (rq->shared == NULL || !hz_call_take_shared(c, rq->shared)) {
    if (hz_call_copy_head(c, rq) != HZ_OK) {
      hz_arena_reset(&c->arena);
      hz_cache_put(&d->calls, c);
      x->call = NULL;
      refuse_bare(d, x);
      return;
    }
    route(c, rq);
  }
  c->early = rq->early;
  c->head_only = hz_str_eq(rq->method, HZ_STR("HEAD"));
  if (rq->early) HZ_COUNT(d->counters, calls_early);
  if (rq->early && !safe_method(rq->method)) {
    HZ_COUNT(d->counters, calls_early_refused);
    refuse(c, HERZ_TOO_EARLY, "early data may be a replay: send this after the handshake");
    return;
  }
  c->due = d->env->now + c->route->timeout_ns;
  c->body_done = rq->body.kind != HZ_BODY_FOLLOWS;
  if (c->body_done) {
    c->body_kind = rq->body.kind;
    c->body = rq->body.data;
    c->bytes_in = c->body.n;
    if (c->body.n > c->route->body_limit) {
      body_too_large(c);
    } else {
      run(c);
    }
    return;
  }
  if (rq->body.data.n > c->route->body_limit && !c->route->stream) {
    body_too_large(c); /* known before it comes */
    return;
  }
  c->body_kind = hz_body_kind_of_type(herz_header(c, "content-type"));
  c->state = HZ_CALL_COLLECTING;
  if (c->route->stream || c->unrouted != 0) { /* what no route wants is not waited for */
    run(c);
  } else {
    watch(c);
  }
}

/* ---- content ---- */

static bool collect(herz_ctx *c, const void *data, size_t len) {
  if (c->collected == NULL) {
    c->collected = hz_buf_new(&c->d->env->pool, len < 4096 ? 4096 : len);
    if (c->collected == NULL) return false;
  }
  if (hz_buf_room(c->collected) < len) {
    size_t want = (size_t)c->collected->len * 2;

    if (hz_buf_reserve(&c->collected, want > len ? want : len) != HZ_OK &&
        hz_buf_reserve(&c->collected, len) != HZ_OK) {
      return false;
    }
  }
  return hz_buf_append(c->collected, data, len) == HZ_OK;
}

/* The carrier may bring the next event from inside: the call must not end under our feet. */
static void consume(herz_ctx *c, size_t len) {
  bool was_in_chain = c->in_chain;

  if (len == 0 || c->x == NULL) return;
  c->in_chain = true;
  c->x->ops->consume(c->x, len);
  c->in_chain = was_in_chain;
}

static void collect_piece(herz_ctx *c, const void *data, size_t len, bool fin) {
  size_t have = c->collected == NULL ? 0 : c->collected->len;
  struct hz_conn *conn = c->x->conn;

  if (have + len > c->route->body_limit) {
    body_too_large(c);
    return;
  }
  if (conn->collected_bytes + len > c->d->limits->conn_body_bytes) {
    HZ_COUNT(c->d->counters, body_too_large);
    refuse(c, HERZ_TOO_LARGE, "the bodies under way on this connection are over the limit");
    return;
  }
  if (len > 0 && !collect(c, data, len)) {
    HZ_COUNT(c->d->counters, no_memory);
    refuse(c, HERZ_UNAVAILABLE, "memory is short");
    return;
  }
  conn->collected_bytes += len;
  consume(c, len);
  if (!fin) {
    hz_call_settle(c);
    return;
  }
  c->body_done = true;
  if (c->collected != NULL) {
    c->body = (struct hz_str){(const char *)hz_buf_data(c->collected), c->collected->len};
  }
  run(c);
}

struct piece {
  const void *data;
  size_t len;
  bool fin, more;
};

static void hand_over(herz_ctx *c, void *arg) {
  struct piece *p = arg;

  p->more = c->on_body(c, p->data, p->len, p->fin, c->on_body_arg);
}

static void stream_piece(herz_ctx *c, const void *data, size_t len, bool fin) {
  struct piece p = {data, len, fin, true};

  hz_call_guarded(c, hand_over, &p);
  if (fin) c->body_done = true;
  if (c->body_paused || !p.more) {
    c->body_paused = true;
    c->body_held += len;
  } else {
    consume(c, len);
  }
  if (c->state == HZ_CALL_SENDING && !c->cancelled) hz_reply_pump(c);
  hz_call_settle(c);
}

void hz_call_body(struct hz_exchange *x, const void *data, size_t len, bool fin) {
  herz_ctx *c = x->call;

  if (c == NULL) return;
  c->bytes_in += len;
  if (c->state == HZ_CALL_COLLECTING) {
    collect_piece(c, data, len, fin);
  } else if (c->on_body != NULL) {
    stream_piece(c, data, len, fin);
  } else if (len > 0) {
    /* Answered before its content was whole: the rest is let through to nobody. */
    x->ops->consume(x, len);
  }
}

void herz_on_body(herz_ctx *c, bool (*fn)(herz_ctx *, const void *, size_t, bool, void *),
                  void *arg) {
  c->on_body = fn;
  c->on_body_arg = arg;
  /* A body that came with its head is handed over by the same door. */
  if (!c->body_done) return;
  c->body_done = false;
  (void)fn(c, c->body.p, c->body.n, true, arg);
  c->body_done = true;
}

void herz_body_resume(herz_ctx *c) {
  size_t held = c->body_held;

  c->body_paused = false;
  c->body_held = 0;
  consume(c, held);
  if (c->state == HZ_CALL_SENDING && !c->cancelled && !c->in_chain) hz_reply_pump(c);
  hz_call_settle(c);
}

void hz_call_writable(struct hz_exchange *x) {
  herz_ctx *c = x->call;

  if (c == NULL || c->in_chain || c->state != HZ_CALL_SENDING) return;
  hz_reply_pump(c);
  hz_call_settle(c);
}

void hz_call_cancel(struct hz_exchange *x, uint32_t code) {
  herz_ctx *c = x->call;

  (void)code;
  if (c == NULL) return;
  c->cancelled = true;
  hz_call_settle(c);
}
