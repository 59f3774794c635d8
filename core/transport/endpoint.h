/* Where to listen or whom to dial: URLs to structs and back. Syntax only. Not here: whether a
 * scheme has a transport (registry), what a name resolves to (transports/common), what a path means
 * (router).
 *
 *   SCHEME://[HOST][:PORT][/PATH][?QUERY]   HOST: a name, IPv4, [IPv6], or nothing for any address
 *   unix:///SOCKET/PATH[:/PATH[?QUERY]]     the first ":/" ends the socket's path
 *
 * Every scheme but unix has the first form, so the URLs of a program's own transport parse as well.
 * One that has no ports (in-process pairs) ignores the port. */
#ifndef CORE_TRANSPORT_ENDPOINT_H
#define CORE_TRANSPORT_ENDPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

#define HZ_PORT_DEFAULT 4433u
#define HZ_URL_MAX 8192u     /* bytes of a URL; longer ones are refused */
#define HZ_SCHEME_MAX 15u    /* bytes, of [a-z0-9+.-] */
#define HZ_HOST_MAX 253u     /* bytes of a name */
#define HZ_SOCKET_MAX 107u   /* bytes of a socket's path: what sockaddr_un takes */
#define HZ_ENDPOINT_ERR 256u /* bytes that hold every error text of hz_endpoint_parse() */

/** What `host` is. */
enum hz_host_kind {
  HZ_HOST_ANY,  /* empty: every address of the machine */
  HZ_HOST_NAME, /* a DNS name, or whatever the transport calls by names; lower case */
  HZ_HOST_IPV4, /* dotted */
  HZ_HOST_IPV6, /* without brackets; may end in "%zone" */
  HZ_HOST_PATH  /* unix: the socket's path */
};

/** An endpoint; plain data, copied by assignment. `target` alone points elsewhere: into the text
 * that was parsed. */
struct hz_endpoint {
  char scheme[HZ_SCHEME_MAX + 1]; /* lower case */
  enum hz_host_kind host_kind;
  char host[HZ_HOST_MAX + 1];
  uint16_t port;        /* 0 for unix; otherwise 0 only to listen: any free port */
  struct hz_str target; /* "/PATH?QUERY", never decoded; empty when the URL has none */
};

/** What the URL is for: to dial one needs a host and a port that is not 0; to listen, no path. */
enum hz_endpoint_use { HZ_TO_LISTEN, HZ_TO_DIAL };

/** Parses `url`. HZ_EINVAL: `err` (at most `err_len` bytes with the NUL; may be NULL when 0) says
 * what is wrong with which part and what to write instead; `*out` is not to be used. */
HZ_MUST_USE hz_err hz_endpoint_parse(struct hz_str url, enum hz_endpoint_use use,
                                     struct hz_endpoint *out, char *err, size_t err_len);

/** Writes the URL of `e`, the port always spelled out, as snprintf() does: at most `cap` bytes with
 * the NUL; returns the length that the whole has. Parsing the result gives `e` again. */
size_t hz_endpoint_format(const struct hz_endpoint *e, char *buf, size_t cap);

#endif
