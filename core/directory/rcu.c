/* liburcu, and what ThreadSanitizer has to be told of it. */
#include "core/directory/rcu.h"

#include <signal.h>
#include <time.h>

#include "core/base/list.h"

/* The library's own barriers are invisible to ThreadSanitizer: it is compiled without it (from 0.15 on
 * its headers say the same as this does). What a grace period promises is that all that a reader did
 * comes before what its end allows; exactly that is declared here, and no access is left unwatched. */
#if defined(__SANITIZE_THREAD__)
#define HZ_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HZ_TSAN 1
#endif
#endif
#ifdef HZ_TSAN
#include <sanitizer/tsan_interface.h>
static char readers;
#define READER_LETS_GO() __tsan_release(&readers)
#define READERS_HAVE_LET_GO() __tsan_acquire(&readers)
#else
#define READER_LETS_GO() ((void)0)
#define READERS_HAVE_LET_GO() ((void)0)
#endif

void hz_rcu_read_lock(void) {
  urcu_bp_read_lock();
}

void hz_rcu_read_unlock(void) {
  READER_LETS_GO();
  urcu_bp_read_unlock();
}

/* On the library's thread. */
static void passed(struct rcu_head *head) {
  struct hz_rcu_wait *w = HZ_CONTAINER(head, struct hz_rcu_wait, head);

  atomic_store_explicit(&w->passed, true, memory_order_release);
}

void hz_rcu_begin(struct hz_rcu_wait *w) {
  sigset_t all, old;

  atomic_store_explicit(&w->passed, false, memory_order_relaxed);
  /* The first call starts the library's thread; signals are not for it. */
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &old);
  urcu_bp_call_rcu(&w->head, passed);
  (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}

bool hz_rcu_passed(const struct hz_rcu_wait *w) {
  if (!atomic_load_explicit(&w->passed, memory_order_acquire)) return false;
  READERS_HAVE_LET_GO();
  return true;
}

void hz_rcu_finish(const struct hz_rcu_wait *w) {
  const struct timespec pause = {.tv_nsec = 1000000};

  while (!hz_rcu_passed(w)) (void)nanosleep(&pause, NULL);
}
