/* URLs for the programs: see url.h. */
#include "apps/common/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool copy(char *out, size_t out_len, const char *from, size_t len) {
  if (len >= out_len) return false;
  memcpy(out, from, len);
  out[len] = '\0';
  return true;
}

static bool split_port(const char *from, size_t len, struct url *out) {
  if (len == 0 || len > 5 || strspn(from, "0123456789") < len) return false;
  if (!copy(out->port, sizeof out->port, from, len)) return false;
  return atoi(out->port) <= 65535;
}

/* "host:port", "[::1]:port", ":port", "host" */
static bool split_authority(const char *from, size_t len, struct url *out) {
  const char *end = from + len;
  const char *host = from, *host_end;
  if (len && from[0] == '[') {
    host++;
    host_end = memchr(host, ']', len - 1);
    if (!host_end) return false;
    from = host_end + 1;
  } else {
    host_end = memchr(from, ':', len);
    if (!host_end) host_end = end;
    from = host_end;
  }
  if (!copy(out->host, sizeof out->host, host, (size_t)(host_end - host))) return false;
  if (from == end) return true;
  return *from == ':' && split_port(from + 1, (size_t)(end - from - 1), out);
}

bool url_split(const char *text, struct url *out) {
  memset(out, 0, sizeof *out);
  const char *mark = strstr(text, "://");
  size_t plain = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
  if (!mark || (size_t)(mark - text) != plain || plain == 0) {
    return copy(out->path, sizeof out->path, text, strlen(text));
  }
  if (!copy(out->scheme, sizeof out->scheme, text, plain)) return false;
  const char *rest = mark + 3;
  if (strcasecmp(out->scheme, "unix") == 0) {
    return copy(out->path, sizeof out->path, rest, strlen(rest));
  }
  size_t authority = strcspn(rest, "/?");
  if (!split_authority(rest, authority, out)) return false;
  return copy(out->path, sizeof out->path, rest + authority, strlen(rest + authority));
}

bool url_is_local(const struct url *u) {
  char machine[256] = "";
  if (gethostname(machine, sizeof machine - 1) != 0) machine[0] = '\0';
  return strcasecmp(u->host, "localhost") == 0 || strcmp(u->host, "127.0.0.1") == 0 ||
         strcmp(u->host, "::1") == 0 || (machine[0] && strcasecmp(u->host, machine) == 0);
}

const char *url_complete(const char *text, char *out, size_t out_len) {
  struct url u;
  if (!url_split(text, &u)) return "not a URL: give one like quic://localhost:4433/users/42";
  const char *base = getenv("HERZ_URL");
  int n;
  if (u.scheme[0]) {
    n = snprintf(out, out_len, "%s", text);
  } else if (!base || !*base) {
    return "no scheme and host: give a whole URL (quic://localhost:4433/users/42), or set HERZ_URL";
  } else {
    struct url b;
    if (!url_split(base, &b) || !b.scheme[0]) {
      return "HERZ_URL is not a URL: set it to one like quic://localhost:4433";
    }
    bool is_unix = strcasecmp(b.scheme, "unix") == 0;
    size_t len = strlen(base);
    while (len && base[len - 1] == '/') len--;
    n = snprintf(out, out_len, "%.*s%s%s%s", (int)len, base, is_unix ? ":" : "",
                 text[0] == '/' ? "" : "/", text);
  }
  if (n < 0 || (size_t)n >= out_len) return "longer than 8 KiB: shorten the URL";
  return NULL;
}
