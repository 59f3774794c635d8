/* An intrusive doubly linked ring. The list's head is a link itself; an object that is in no list
 * has both pointers NULL, so removing twice is harmless. */
#ifndef CORE_BASE_LIST_H
#define CORE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct hz_link {
  struct hz_link *prev, *next;
};

/** The object of type T whose member `m` is at `p`. */
#define HZ_CONTAINER(p, T, m) ((T *)(void *)((char *)(p)-offsetof(T, m)))

static inline void hz_list_init(struct hz_link *head) {
  head->prev = head->next = head;
}

static inline bool hz_list_empty(const struct hz_link *head) {
  return head->next == head;
}

static inline bool hz_link_in_list(const struct hz_link *l) {
  return l->next != NULL;
}

/** Puts `l`, which is in no list, at the end. */
static inline void hz_list_push(struct hz_link *head, struct hz_link *l) {
  l->prev = head->prev;
  l->next = head;
  head->prev->next = l;
  head->prev = l;
}

/** Takes `l` out of its list, if it is in one. */
static inline void hz_list_remove(struct hz_link *l) {
  if (l->next == NULL) return;
  l->prev->next = l->next;
  l->next->prev = l->prev;
  l->prev = l->next = NULL;
}

/** Takes the first link out; NULL when the list is empty. */
static inline struct hz_link *hz_list_pop(struct hz_link *head) {
  if (hz_list_empty(head)) return NULL;
  struct hz_link *l = head->next;
  hz_list_remove(l);
  return l;
}

/** Moves all of `from` to the end of `to`; `from` is empty then. */
static inline void hz_list_splice(struct hz_link *to, struct hz_link *from) {
  if (hz_list_empty(from)) return;
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  hz_list_init(from);
}

#endif
