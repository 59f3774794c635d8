/* How a peer disappears on a real loop: its socket is taken away below the code under test. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/support/conf.h"
#include "transports/common/net.h"

void conf_cut_sockets(enum conf_below below, uint16_t port) {
  DIR *dir = opendir("/proc/self/fd");
  struct dirent *entry;
  int cut = 0;
  CONF_CHECK(dir != NULL);
  while ((entry = readdir(dir)) != NULL) {
    struct hz_addr peer = {.len = sizeof(peer.u)};
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    int fd = atoi(entry->d_name);
    if (getpeername(fd, &peer.u.sa, &peer.len) != 0) continue;
    /* Only a client's peer has the name of the listener. */
    bool named = peer.len > sizeof(sa_family_t) && peer.u.un.sun_path[0] != '\0';
    if (below == CONF_UNIX && peer.u.sa.sa_family == AF_UNIX && named) {
      cut += shutdown(fd, SHUT_RDWR) == 0;
    } else if (below == CONF_TCP && hz_addr_port(&peer) == port) {
      cut += connect(fd, &none, sizeof(none)) == 0;
    }
  }
  closedir(dir);
  CONF_CHECK(cut > 0, "there was a socket to cut");
}
