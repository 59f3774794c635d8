/* Tokens, lists and reason phrases. */
#include "transports/common/http_text.h"

#include <string.h>

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

bool hz_http_list_next(struct hz_str *list, struct hz_str *element) {
  while (list->n > 0) {
    const char *comma = memchr(list->p, ',', list->n);
    struct hz_str e = {list->p, comma == NULL ? list->n : (size_t)(comma - list->p)};
    size_t gone = comma == NULL ? e.n : e.n + 1;
    list->p += gone;
    list->n -= gone;
    for (; e.n > 0 && is_blank(e.p[0]); e.p++) e.n--;
    while (e.n > 0 && is_blank(e.p[e.n - 1])) e.n--;
    *element = e;
    if (e.n > 0) return true;
  }
  return false;
}

bool hz_http_is_token(struct hz_str s) {
  static const char others[] = "!#$%&'*+-.^_`|~";
  for (size_t i = 0; i < s.n; i++) {
    char c = s.p[i];
    bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!word && (c == '\0' || strchr(others, c) == NULL)) return false;
  }
  return s.n > 0;
}

const char *hz_http_reason(uint32_t status) {
  /* Those in use; another one needs no words (RFC 9112, 4). */
  static const struct {
    uint32_t status;
    const char *words;
  } known[] = {
      {100, "Continue"},
      {101, "Switching Protocols"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {416, "Range Not Satisfiable"},
      {417, "Expectation Failed"},
      {421, "Misdirected Request"},
      {422, "Unprocessable Content"},
      {425, "Too Early"},
      {426, "Upgrade Required"},
      {428, "Precondition Required"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
  };
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
    if (known[i].status == status) return known[i].words;
  return "Unknown";
}
