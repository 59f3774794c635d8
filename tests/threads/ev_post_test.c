/* Posts from several threads into one running loop: all arrive once, each thread's in order. A plain
 * program, so that ThreadSanitizer can watch it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "transports/common/ev_env.h"

#define POSTERS 4
#define POSTS 20000

struct numbered {
  struct hz_post post;
  struct hz_env *env;
  int thread, number;
};

struct poster {
  struct hz_env *env;
  int thread;
  struct numbered posts[POSTS];
};

static int seen[POSTERS], total;

static void on_post(struct hz_post *p) {
  struct numbered *n = (struct numbered *)(void *)p;
  if (n->number != seen[n->thread]++) {
    fprintf(stderr, "thread %d: post %d came out of order\n", n->thread, n->number);
    exit(1);
  }
  if (++total == POSTERS * POSTS) hz_ev_break(n->env);
}

static void *post_all(void *arg) {
  struct poster *p = arg;
  for (int i = 0; i < POSTS; i++) {
    p->posts[i] =
        (struct numbered){.post.fn = on_post, .env = p->env, .thread = p->thread, .number = i};
    p->env->ops->post(p->env, &p->posts[i].post);
  }
  return NULL;
}

int main(void) {
  static struct poster posters[POSTERS];
  pthread_t threads[POSTERS];
  struct hz_alloc alloc;

  hz_alloc_init_libc(&alloc);
  struct hz_env *env = hz_ev_env_new(&alloc, NULL);
  if (env == NULL) return 1;
  for (int t = 0; t < POSTERS; t++) {
    posters[t].env = env;
    posters[t].thread = t;
    if (pthread_create(&threads[t], NULL, post_all, &posters[t]) != 0) return 1;
  }
  hz_ev_run(env);
  for (int t = 0; t < POSTERS; t++) pthread_join(threads[t], NULL);
  hz_ev_env_free(env);
  printf("%d posts from %d threads\n", total, POSTERS);
  return total == POSTERS * POSTS ? 0 : 1;
}
