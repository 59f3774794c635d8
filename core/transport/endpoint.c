/* The URL parser: scheme, then the form that the scheme asks for. Each part has a function, each
 * refusal a sentence with the part, its value and the remedy. */
#include "core/transport/endpoint.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

struct parse {
  struct hz_endpoint *out;
  enum hz_endpoint_use use;
  char *err;
  size_t err_len;
};

/* The one scheme whose URLs carry a socket's path in place of an address and a port. */
static bool is_local(const char *scheme) {
  return strcmp(scheme, "unix") == 0;
}

static HZ_PRINTF(2, 3) hz_err fail(struct parse *p, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  if (p->err_len > 0) vsnprintf(p->err, p->err_len, fmt, args);
  va_end(args);
  return HZ_EINVAL;
}

/* A part of the URL fit to be shown: short, printable. */
struct shown {
  char text[64];
};

static struct shown show(struct hz_str s) {
  struct shown v = {{0}};
  size_t room = sizeof(v.text) - 4, n = s.n < room ? s.n : room;
  for (size_t i = 0; i < n; i++) v.text[i] = s.p[i] > 0x20 && s.p[i] < 0x7f ? s.p[i] : '?';
  if (n < s.n) memcpy(v.text + n, "...", 4);
  return v;
}
#define SHOW(s) show(s).text

static struct hz_str from(struct hz_str s, size_t i) {
  return (struct hz_str){s.p + i, s.n - i};
}

static struct hz_str upto(struct hz_str s, size_t i) {
  return (struct hz_str){s.p, i};
}

/* Index of the first byte of `s` that is one of `set`; s.n when none is. */
static size_t find(struct hz_str s, const char *set) {
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] != '\0' && strchr(set, s.p[i]) != NULL) return i;
  }
  return s.n;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_alnum(char c) {
  return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z');
}

static bool is_name_byte(char c) {
  return is_alnum(c) || c == '-' || c == '_';
}

static void copy_lower(char *dst, struct hz_str s) {
  for (size_t i = 0; i < s.n; i++) dst[i] = lower(s.p[i]);
  dst[s.n] = '\0';
}

/* SCHEME "://", leaving in `rest` what follows. */
static hz_err parse_scheme(struct parse *p, struct hz_str url, struct hz_str *rest) {
  size_t n = find(url, ":");
  if (n == 0 || url.n - n < 3 || memcmp(url.p + n, "://", 3) != 0) {
    return fail(p, "URL \"%s\" has no scheme: write SCHEME://HOST:PORT", SHOW(url));
  }
  struct hz_str s = upto(url, n);
  bool good = n <= HZ_SCHEME_MAX && is_alnum(s.p[0]) && !is_digit(s.p[0]);
  for (size_t i = 0; good && i < n; i++) {
    good = is_alnum(s.p[i]) || s.p[i] == '+' || s.p[i] == '-' || s.p[i] == '.';
  }
  if (!good) {
    return fail(p, "scheme \"%s\" is not one: write up to %u letters, digits, +, - or .", SHOW(s),
                HZ_SCHEME_MAX);
  }
  copy_lower(p->out->scheme, s);
  *rest = from(url, n + 3);
  return HZ_OK;
}

/* "/PATH?QUERY", or nothing. */
static hz_err parse_target(struct parse *p, struct hz_str s) {
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] == '#') {
      return fail(p, "path \"%s\" has a fragment, which is never sent: drop what follows '#'",
                  SHOW(s));
    }
    if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f) {
      return fail(p, "path \"%s\" has a space or control byte: write it as %%%02X", SHOW(s),
                  (unsigned)(unsigned char)s.p[i]);
    }
  }
  if (p->use == HZ_TO_LISTEN && s.n > 0 && !hz_str_eq(s, HZ_STR("/"))) {
    return fail(p, "path \"%s\" has no meaning where one listens: drop it, routes say which paths",
                SHOW(s));
  }
  p->out->target = p->use == HZ_TO_LISTEN ? (struct hz_str){0} : s;
  return HZ_OK;
}

/* PORT without its colon. */
static hz_err parse_port(struct parse *p, struct hz_str s) {
  uint32_t port = 0;
  bool good = s.n > 0 && s.n <= 5;
  for (size_t i = 0; good && i < s.n; i++) {
    good = is_digit(s.p[i]);
    port = port * 10 + (uint32_t)(s.p[i] - '0');
  }
  if (!good || port > UINT16_MAX) {
    return fail(p, "port \"%s\" is not a number from 0 to 65535: correct it, or drop ':' for %u",
                SHOW(s), HZ_PORT_DEFAULT);
  }
  if (port == 0 && p->use == HZ_TO_DIAL) {
    return fail(p, "port \"%s\" cannot be dialled: give the port that the server listens on",
                SHOW(s));
  }
  p->out->port = (uint16_t)port;
  return HZ_OK;
}

/* "fe80::1%eth0": what stood between the brackets. */
static hz_err parse_ipv6(struct parse *p, struct hz_str s) {
  char text[INET6_ADDRSTRLEN] = {0};
  unsigned char addr[16];
  size_t n = find(s, "%");
  bool good = n < sizeof(text) && s.n <= INET6_ADDRSTRLEN + 16 && n + 1 != s.n;
  for (size_t i = n + 1; good && i < s.n; i++) good = is_name_byte(s.p[i]) || s.p[i] == '.';
  if (good) {
    memcpy(text, s.p, n);
    good = strlen(text) == n && inet_pton(AF_INET6, text, addr) == 1;
  }
  if (!good) {
    return fail(p, "host \"[%s]\" is not an IPv6 address: write for example [::1]", SHOW(s));
  }
  memcpy(p->out->host, s.p, s.n);
  p->out->host[s.n] = '\0';
  p->out->host_kind = HZ_HOST_IPV6;
  return HZ_OK;
}

/* Labels of letters, digits, '-' and '_', of 1 to 63 bytes; one dot may end the name. */
static bool is_name(struct hz_str s) {
  if (s.n == 0 || s.n > HZ_HOST_MAX) return false;
  size_t label = 0;
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (!is_name_byte(s.p[i])) {
      return false;
    } else if (++label > 63) {
      return false;
    }
  }
  return true;
}

static hz_err parse_name(struct parse *p, struct hz_str s) {
  if (!is_name(s)) {
    return fail(p,
                "host \"%s\" is not a name: letters, digits, '-', '_' and dots (IPv6 goes in "
                "brackets, other scripts as xn--)",
                SHOW(s));
  }
  copy_lower(p->out->host, s);
  p->out->host_kind = HZ_HOST_NAME;
  return HZ_OK;
}

/* HOST outside brackets. */
static hz_err parse_host(struct parse *p, struct hz_str s) {
  bool numeric = true;
  for (size_t i = 0; i < s.n; i++) numeric = numeric && (is_digit(s.p[i]) || s.p[i] == '.');
  if (s.n == 0) {
    if (p->use == HZ_TO_LISTEN) return HZ_OK;
    return fail(p, "the URL names no host to dial: write for example %s://localhost:%u",
                p->out->scheme, p->out->port);
  }
  if (!numeric) return parse_name(p, s);
  unsigned char addr[4];
  if (s.n < INET_ADDRSTRLEN) {
    memcpy(p->out->host, s.p, s.n);
    p->out->host[s.n] = '\0';
    p->out->host_kind = HZ_HOST_IPV4;
    if (inet_pton(AF_INET, p->out->host, addr) == 1) return HZ_OK;
  }
  return fail(p, "host \"%s\" is not an IPv4 address: four numbers from 0 to 255", SHOW(s));
}

/* [HOST][:PORT] */
static hz_err parse_authority(struct parse *p, struct hz_str s) {
  if (find(s, "@") != s.n) {
    return fail(p, "the URL carries a user or password before '@': send it as a header instead");
  }
  bool bracket = s.n > 0 && s.p[0] == '[';
  size_t host_end = bracket ? find(s, "]") : find(s, ":");
  if (bracket && host_end == s.n) {
    return fail(p, "host \"%s\" has no closing bracket: write for example [::1]", SHOW(s));
  }
  struct hz_str host = bracket ? (struct hz_str){s.p + 1, host_end - 1} : upto(s, host_end);
  struct hz_str port = from(s, host_end + bracket);
  p->out->port = HZ_PORT_DEFAULT;
  if (!bracket && find(port.n > 0 ? from(port, 1) : port, ":") + 1 < port.n) {
    return fail(p, "host \"%s\" has several colons: put an IPv6 address in brackets, as in [::1]",
                SHOW(s));
  }
  if (port.n > 0) {
    if (port.p[0] != ':') {
      return fail(p, "\"%s\" stands between the address and the port: write [ADDRESS]:PORT",
                  SHOW(port));
    }
    hz_err err = parse_port(p, from(port, 1));
    if (err != HZ_OK) return err;
  }
  return bracket ? parse_ipv6(p, host) : parse_host(p, host);
}

/* /SOCKET/PATH[:/PATH] */
static hz_err parse_socket_path(struct parse *p, struct hz_str s) {
  size_t n = 0;
  while (n < s.n && !(s.p[n] == ':' && n + 1 < s.n && s.p[n + 1] == '/')) n++;
  struct hz_str path = upto(s, n);
  if (n < 2 || path.p[0] != '/') {
    return fail(p, "socket path \"%s\" is not absolute: write for example unix:///run/herz.sock",
                SHOW(path));
  }
  if (n > HZ_SOCKET_MAX) {
    return fail(p, "socket path \"%s\" has %zu bytes, the system takes %u: choose a shorter one",
                SHOW(path), n, HZ_SOCKET_MAX);
  }
  for (size_t i = 0; i < n; i++) {
    if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f) {
      return fail(p, "socket path \"%s\" has a control byte: remove it", SHOW(path));
    }
  }
  memcpy(p->out->host, path.p, n);
  p->out->host[n] = '\0';
  p->out->host_kind = HZ_HOST_PATH;
  return parse_target(p, n < s.n ? from(s, n + 1) : (struct hz_str){0});
}

hz_err hz_endpoint_parse(struct hz_str url, enum hz_endpoint_use use, struct hz_endpoint *out,
                         char *err, size_t err_len) {
  struct parse p = {.out = out, .use = use, .err = err, .err_len = err_len};
  memset(out, 0, sizeof(*out));
  if (url.n > HZ_URL_MAX) {
    return fail(&p, "the URL has %zu bytes, the limit is %u: shorten it", url.n, HZ_URL_MAX);
  }
  struct hz_str rest = {0};
  hz_err e = parse_scheme(&p, url, &rest);
  if (e != HZ_OK) return e;
  if (is_local(out->scheme)) return parse_socket_path(&p, rest);

  size_t end = find(rest, "/?#");
  if (end < rest.n && rest.p[end] == '?') {
    return fail(&p, "\"%s\" has no path before its query: write /%s", SHOW(rest),
                SHOW(from(rest, end)));
  }
  e = parse_authority(&p, upto(rest, end));
  if (e != HZ_OK) return e;
  return parse_target(&p, from(rest, end));
}

size_t hz_endpoint_format(const struct hz_endpoint *e, char *buf, size_t cap) {
  bool six = e->host_kind == HZ_HOST_IPV6;
  char port[8] = "";
  if (!is_local(e->scheme)) {
    snprintf(port, sizeof(port), ":%u", (unsigned)e->port);
  } else if (e->target.n > 0) {
    memcpy(port, ":", 2); /* divides the socket's path from the request's */
  }
  int n = snprintf(buf, cap, "%s://%s%s%s%s%.*s", e->scheme, six ? "[" : "", e->host,
                   six ? "]" : "", port, HZ_STR_ARG(e->target));
  return n < 0 ? 0 : (size_t)n;
}
