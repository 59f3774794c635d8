/* The Origin rule: browsers send cookies along with what any page opens (WebSocket, WebTransport), so the server
 * has to ask which page it was (cross-site hijacking). Not here: what happens to the
 * rest. */
#include "transports/common/origin.h"

#include <string.h>

/* "host", "host:port", "[v6]:port": an absent port becomes `port_default`. */
static bool split_authority(struct hz_str a, struct hz_str port_default, struct hz_str *host,
                            struct hz_str *port) {
  size_t end = 0;
  if (a.n > 0 && a.p[0] == '[') {
    const char *close = memchr(a.p, ']', a.n);
    if (close == NULL) return false;
    end = (size_t)(close - a.p) + 1;
  } else {
    while (end < a.n && a.p[end] != ':') end++;
  }
  *host = (struct hz_str){a.p, end};
  *port = port_default;
  if (end == a.n) return end > 0;
  if (a.p[end] != ':') return false;
  if (end + 1 < a.n) *port = (struct hz_str){a.p + end + 1, a.n - end - 1};
  return end > 0;
}

static bool same_host(struct hz_str origin, struct hz_str host) {
  static const struct {
    struct hz_str prefix, port;
  } schemes[] = {{{"http://", 7}, {"80", 2}}, {{"https://", 8}, {"443", 3}}};
  for (size_t i = 0; i < 2; i++) {
    struct hz_str prefix = schemes[i].prefix;
    if (origin.n <= prefix.n || !hz_str_ieq((struct hz_str){origin.p, prefix.n}, prefix)) continue;
    struct hz_str page = {origin.p + prefix.n, origin.n - prefix.n};
    struct hz_str page_host, page_port, our_host, our_port;
    /* The page's scheme decides what an absent port means on both sides: who terminates TLS in
     * front of us hands on a Host header without one, and here no TLS is seen. */
    return split_authority(page, schemes[i].port, &page_host, &page_port) &&
           split_authority(host, schemes[i].port, &our_host, &our_port) &&
           hz_str_ieq(page_host, our_host) && hz_str_eq(page_port, our_port);
  }
  return false;
}

bool hz_origin_allowed(struct hz_str origin, struct hz_str host, const char *const *origins) {
  if (origins == NULL) return same_host(origin, host);
  for (; *origins != NULL; origins++) {
    if (strcmp(*origins, "*") == 0 || hz_str_ieq(origin, hz_str_of(*origins))) return true;
    if (strcmp(*origins, "self") == 0 && same_host(origin, host)) return true;
  }
  return false;
}
