/* Threads for handlers whose work blocks: a bounded queue in front, promises behind. Not here: what a
 * promise is (defer.c). */
#ifndef CORE_DISPATCH_OFFLOAD_H
#define CORE_DISPATCH_OFFLOAD_H

#include <pthread.h>
#include <semaphore.h>

#include "core/base/ring.h"
#include "core/include/herz/herz.h"

#define HZ_OFFLOAD_THREADS_MAX 256u

/** An app's pool; its workers share it. Threads start with the first work. */
struct hz_offload {
  struct hz_alloc libc;    /* workers start it, each has an allocator of its own */
  uint32_t threads, queue; /* by configuration; no threads: work runs where it is given */
  pthread_mutex_t starting;
  atomic_bool running;
  atomic_bool ending;
  atomic_uint waiting; /* given and not begun */
  struct hz_ring ring;
  sem_t work;
  uint32_t started;
  pthread_t *handles;
};

/** `threads` 0: without threads of its own, for envs that somebody else drives. */
void hz_offload_init(struct hz_offload *o, uint32_t threads, uint32_t queue);

/** A place in the queue, for hz_offload_give() or hz_offload_unreserve(). Any worker. HZ_AGAIN: it is full;
 * HZ_ENOMEM: no thread could be started. */
HZ_MUST_USE hz_err hz_offload_reserve(struct hz_offload *o);
void hz_offload_unreserve(struct hz_offload *o);
/** Takes a promise whose work is set. */
void hz_offload_give(struct hz_offload *o, herz_deferred *d);

/** Work that has begun is waited for; what has not is not begun: those calls are answered with 503. */
void hz_offload_fini(struct hz_offload *o);

#endif
