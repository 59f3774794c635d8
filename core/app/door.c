/* Groups apart: routes that are reached through listeners of their own, on the app's workers. Not here:
 * the listeners (listen.c). */
#include "core/app/app.h"
#include "core/include/herz/web.h"

herz_group *herz_group_apart(herz_app *app) {
  struct hz_alloc *alloc = app->first.env->alloc;
  struct hz_routes *own = hz_new(alloc, struct hz_routes);

  if (own == NULL) return NULL;
  if (hz_routes_init(own, alloc) != HZ_OK) {
    hz_free(alloc, own);
    return NULL;
  }
  herz_group *g = herz_group_new(app, "");
  if (g == NULL) {
    hz_routes_fini(own);
    hz_free(alloc, own);
    return NULL;
  }
  g->own = own;
  return g;
}

/* All of the worker's but the routes: its limits and its counters hold for every door. */
static hz_err make_doors(herz_group *g) {
  herz_app *app = g->app;

  if (g->doors != NULL) return HZ_OK;
  g->doors = hz_calloc(app->first.env->alloc, app->worker_count, sizeof(*g->doors));
  if (g->doors == NULL) return HZ_ENOMEM;
  for (uint32_t i = 0; i < app->worker_count; i++) {
    struct hz_worker *w = hz_app_worker(app, i);
    struct hz_door *door = &g->doors[i];

    hz_dispatch_beside(&door->dispatch, &w->dispatch, g->own);
    door->server = w->server;
    door->server.dispatch = &door->dispatch;
    door->server.hub = NULL; /* topics are the app's */
  }
  return HZ_OK;
}

hz_err hz_doors_freeze(herz_app *app) {
  hz_err err = HZ_OK;

  for (struct hz_link *l = app->groups.next; err == HZ_OK && l != &app->groups; l = l->next) {
    herz_group *g = HZ_CONTAINER(l, herz_group, link);

    if (g->own == NULL) continue;
    err = hz_routes_freeze(g->own, &g->chain, &app->config.transport.limits);
    if (err == HZ_OK) err = make_doors(g);
  }
  return err;
}

struct hz_session_owner *hz_door_of(const herz_group *g, const struct hz_worker *w) {
  return &g->doors[w->index].server;
}

void hz_doors_shut(herz_app *app) {
  for (struct hz_link *l = app->groups.next; l != &app->groups; l = l->next) {
    herz_group *g = HZ_CONTAINER(l, herz_group, link);

    for (uint32_t i = 0; g->doors != NULL && i < app->worker_count; i++) {
      g->doors[i].dispatch.promises = NULL;
    }
  }
}

void hz_door_free(herz_group *g) {
  struct hz_alloc *alloc = g->app->first.env->alloc;

  for (uint32_t i = 0; g->doors != NULL && i < g->app->worker_count; i++) {
    hz_dispatch_fini(&g->doors[i].dispatch);
  }
  hz_free(alloc, g->doors);
  if (g->own != NULL) hz_routes_fini(g->own);
  hz_free(alloc, g->own);
}
