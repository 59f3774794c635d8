/* An app's connections, for any thread: their handles, a walk over them, and a message to the worker
 * of one. Not here: how they come and go (listen.c, client.c), the directory itself (core/directory). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/app.h"
#include "core/base/utf8.h"
#include "herz/conns.h"

_Static_assert(HERZ_WORKERS_MAX <= 1u << HZ_CONN_WORKER_BITS, "a handle has room for the worker");
_Static_assert((int)HERZ_CONN_OPENING == (int)HZ_CONN_OPENING &&
                   (int)HERZ_CONN_OPEN == (int)HZ_CONN_OPEN &&
                   (int)HERZ_CONN_DRAINING == (int)HZ_CONN_DRAINING &&
                   (int)HERZ_CONN_CLOSING == (int)HZ_CONN_CLOSING,
               "states of a connection");
_Static_assert((int)HERZ_CLOSE_NONE == (int)HZ_CLOSE_NONE &&
                   (int)HERZ_CLOSE_SHUTDOWN == (int)HZ_CLOSE_SHUTDOWN &&
                   (int)HERZ_CLOSE_IDLE == (int)HZ_CLOSE_IDLE &&
                   (int)HERZ_CLOSE_PROTOCOL == (int)HZ_CLOSE_PROTOCOL &&
                   (int)HERZ_CLOSE_LIMIT == (int)HZ_CLOSE_LIMIT &&
                   (int)HERZ_CLOSE_INTERNAL == (int)HZ_CLOSE_INTERNAL &&
                   (int)HERZ_CLOSE_AUTH == (int)HZ_CLOSE_AUTH,
               "codes of a close");
_Static_assert(sizeof(((struct herz_conn_info *)0)->peer) == HZ_INET_TEXT, "an address as text");

#define CLOSINGS_MAX 1024u /* that wait for one worker */

/* ---- names of listeners ---- */

uint8_t hz_app_next_number(const herz_app *app) {
  return app->numbered < UINT8_MAX ? (uint8_t)(app->numbered + 1) : 0;
}

void hz_app_name_listener(herz_app *app, uint8_t number, const struct hz_endpoint *bound) {
  size_t len = hz_endpoint_format(bound, NULL, 0) + 1;
  struct hz_app_name *n = number == 0 ? NULL : malloc(sizeof(*n) + len);

  if (number != 0) app->numbered = number;
  if (n == NULL) return;
  n->next = atomic_load_explicit(&app->names, memory_order_relaxed);
  n->number = number;
  (void)hz_endpoint_format(bound, n->url, len);
  atomic_store_explicit(&app->names, n, memory_order_release);
}

void hz_app_forget_names(herz_app *app) {
  struct hz_app_name *n = atomic_load_explicit(&app->names, memory_order_relaxed);

  while (n != NULL) {
    struct hz_app_name *next = n->next;

    free(n);
    n = next;
  }
  atomic_store_explicit(&app->names, NULL, memory_order_relaxed);
}

static const char *name_of(const herz_app *app, uint32_t number) {
  const struct hz_app_name *n = atomic_load_explicit(&app->names, memory_order_acquire);

  while (n != NULL && n->number != number) n = n->next;
  return n == NULL ? NULL : n->url;
}

/* ---- entering ---- */

hz_err hz_worker_enter_conn(struct hz_worker *w, struct hz_conn *conn) {
  struct hz_conn_origin origin = {.transport = conn->slot,
                                  .listener = conn->listener == NULL ? 0 : conn->listener->number,
                                  .opened_s = (uint32_t)(w->env->ops->wall_ns(w->env) / HZ_SEC)};

  hz_inet_parse(&origin.peer, hz_conn_addr(conn, &(struct hz_peer){.tls = false}));
  return hz_directory_add(&w->directory, conn, &origin);
}

struct hz_conn *hz_worker_next_conn(struct hz_worker *w, uint64_t *at) {
  uint32_t slot = *at == 0 ? 0 : hz_conn_id_slot(*at) + 1;
  struct hz_conn_facts f;

  for (; slot < HZ_CONN_SLOTS && hz_directory_next(&w->directory, slot, &f);
       slot = hz_conn_id_slot(f.id) + 1) {
    struct hz_conn *conn = hz_directory_conn(&w->directory, f.id);

    *at = f.id;
    if (conn != NULL && conn->role == HZ_SERVER) return conn;
  }
  return NULL;
}

/* ---- reading ---- */

/* NULL: no worker has that number. */
static struct hz_worker *worker_of(const herz_app *app, uint64_t id) {
  uint32_t i = hz_conn_id_worker(id);

  return i < app->worker_count ? hz_app_worker((herz_app *)(uintptr_t)app, i) : NULL;
}

static void tell(const herz_app *app, const struct hz_conn_facts *f, struct herz_conn_info *out) {
  out->id = f->id;
  out->worker = hz_conn_id_worker(f->id);
  out->state = (enum herz_conn_state)f->state;
  out->transport = hz_transport_in_slot(f->origin.transport)->scheme;
  out->listener = name_of(app, f->origin.listener);
  out->opened_s = f->origin.opened_s;
  out->bytes_in = f->bytes_in;
  out->bytes_out = f->bytes_out;
  out->calls = f->calls;
  hz_inet_format(&f->origin.peer, out->transport, out->peer);
}

uint32_t herz_conn_count(const herz_app *app) {
  uint32_t sum = 0;

  for (uint32_t i = 0; i < app->worker_count; i++) {
    sum += hz_directory_count(&hz_app_worker((herz_app *)(uintptr_t)app, i)->directory);
  }
  return sum;
}

int herz_conn_find(const herz_app *app, uint64_t id, struct herz_conn_info *out) {
  const struct hz_worker *w = worker_of(app, id);
  struct hz_conn_facts f;

  if (w == NULL || !hz_directory_find(&w->directory, id, &f)) return HERZ_ENOTFOUND;
  if (out != NULL) tell(app, &f, out);
  return 0;
}

bool herz_conn_next(const herz_app *app, struct herz_conn_info *at) {
  uint32_t i = hz_conn_id_worker(at->id), slot = at->id == 0 ? 0 : hz_conn_id_slot(at->id) + 1;
  struct hz_conn_facts f;

  for (; i < app->worker_count; i++, slot = 0) {
    if (slot == HZ_CONN_SLOTS) continue;
    if (!hz_directory_next(&hz_app_worker((herz_app *)(uintptr_t)app, i)->directory, slot, &f)) {
      continue;
    }
    tell(app, &f, at);
    return true;
  }
  at->id = 0;
  return false;
}

/* ---- closing ---- */

struct closing {
  struct hz_post post;
  struct hz_worker *w;
  uint64_t id;
  enum hz_close_code code;
  char text[sizeof(((struct hz_close *)0)->text)];
};

/* On the worker: meanwhile the connection may have gone, and another one have its slot. */
static void close_wished(struct hz_post *p) {
  struct closing *c = HZ_CONTAINER(p, struct closing, post);
  struct hz_conn *conn = hz_directory_conn(&c->w->directory, c->id);

  atomic_fetch_sub_explicit(&c->w->closings, 1, memory_order_relaxed);
  if (conn != NULL) hz_session_close_conn(conn, c->code, HZ_OK, c->text);
  free(c);
}

int herz_conn_close(herz_app *app, uint64_t id, int code, const char *text) {
  size_t len = text == NULL ? 0 : strlen(text);
  struct hz_worker *w = worker_of(app, id);

  if (code < HERZ_CLOSE_NONE || code > HERZ_CLOSE_AUTH) return HERZ_EINVAL;
  if (len >= sizeof(((struct closing *)0)->text)) return HERZ_ETOOBIG;
  if (text != NULL && !hz_utf8_valid(text, len)) return HERZ_EINVAL;
  if (herz_conn_find(app, id, NULL) != 0) return HERZ_ENOTFOUND;
  if (atomic_fetch_add_explicit(&w->closings, 1, memory_order_relaxed) >= CLOSINGS_MAX) {
    atomic_fetch_sub_explicit(&w->closings, 1, memory_order_relaxed);
    return HERZ_EAGAIN;
  }
  struct closing *c = calloc(1, sizeof(*c));
  if (c == NULL) {
    atomic_fetch_sub_explicit(&w->closings, 1, memory_order_relaxed);
    return HERZ_ENOMEM;
  }
  *c =
      (struct closing){.post.fn = close_wished, .w = w, .id = id, .code = (enum hz_close_code)code};
  if (len > 0) memcpy(c->text, text, len);
  w->env->ops->post(w->env, &c->post);
  return 0;
}
