/* Listeners that stand as long as their connections. Not here: their sockets (transports/tcp/listener.c),
 * their connections (iostream.c). */
#include <assert.h>

#include "transports/common/iostream.h"

void hz_iolistener_ref(struct hz_listener *l) {
  ((struct hz_iolistener *)(void *)l)->refs++;
}

void hz_iolistener_unref(struct hz_listener *l) {
  struct hz_iolistener *io = (struct hz_iolistener *)(void *)l;

  assert(io->refs > 0);
  if (--io->refs == 0) io->free(io);
}

void hz_listener_note(struct hz_listener *l, const char *what, const char *detail) {
  if (l != NULL && l->note != NULL) l->note(l, what, detail);
}
