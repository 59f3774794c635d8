/* Reading answers by hand, in another way than the library does. */
#include "tests/support/http_peer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http_connect(struct app_pair *p, struct raw_peer *peer) {
  raw_connect(p, peer);
}

void http_say(struct app_pair *p, struct raw_peer *peer, const char *text) {
  raw_say(p, peer, text, strlen(text));
}

void http_run(struct app_pair *p, hz_time ns) {
  sim_run_for(p->sim, ns);
}

/* "name: value" in the head that begins at `head`; NULL: none. */
static const char *find(const char *head, const char *end, const char *name) {
  size_t n = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line != NULL && line < end;
       line = strstr(line + 2, "\r\n"))
    if (strncasecmp(line + 2, name, n) == 0 && line[2 + n] == ':') return line + 2 + n + 2;
  return NULL;
}

const char *http_field(const struct raw_peer *peer, const char *name) {
  static char value[256], text[sizeof(peer->in) + 1];
  memcpy(text, peer->in, peer->len);
  text[peer->len] = '\0';
  const char *end = strstr(text, "\r\n\r\n");
  const char *v = end == NULL ? NULL : find(text, end, name);
  snprintf(value, sizeof(value), "%.*s", v == NULL ? 0 : (int)strcspn(v, "\r"), v == NULL ? "" : v);
  return value;
}

static void tell(char *story, size_t room, const char *content, size_t len) {
  size_t at = strlen(story);
  if (len == 0) return;
  if (len <= 48)
    snprintf(story + at, room - at, "(%.*s)", (int)len, content);
  else
    snprintf(story + at, room - at, "[%zu]", len);
}

/* Puts chunks together in place. The first byte behind them; NULL: not whole. */
static const char *unchunk(char *at, const char *end, char *out, size_t *len) {
  *len = 0;
  while (at < end) {
    char *line;
    size_t n = strtoul(at, &line, 16);
    if (line + 2 > end) return NULL;
    at = line + 2;
    if (n == 0) return at + 2 <= end ? at + 2 : NULL;
    if (at + n + 2 > end) return NULL;
    memmove(out + *len, at, n);
    *len += n;
    at += n + 2;
  }
  return NULL;
}

const char *http_story(const struct raw_peer *peer) {
  static char story[4096], text[sizeof(peer->in) + 1];
  memcpy(text, peer->in, peer->len);
  text[peer->len] = '\0';
  story[0] = '\0';
  const char *end = text + peer->len;
  for (char *at = text; at < end;) {
    char *body = strstr(at, "\r\n\r\n");
    unsigned status;
    cr_assert_eq(sscanf(at, "HTTP/1.1 %u ", &status), 1, "no status line: %.60s", at);
    snprintf(story + strlen(story), sizeof(story) - strlen(story), "%s%u", story[0] ? " " : "",
             status);
    if (body == NULL) return strcat(story, "...");
    const char *length = find(at, body, "content-length");
    bool chunked = find(at, body, "transfer-encoding") != NULL;
    bool close = find(at, body, "connection") != NULL &&
                 strncmp(find(at, body, "connection"), "close", 5) == 0;
    size_t n = length != NULL ? strtoul(length, NULL, 10) : 0;
    const char *next = body + 4 + n;
    body += 4;
    if (chunked) next = unchunk(body, end, body, &n);
    if (next == NULL || next > end) return strcat(story, "...");
    tell(story, sizeof(story), body, n);
    if (close) strcat(story, " close");
    at = text + (next - text);
  }
  return story;
}
