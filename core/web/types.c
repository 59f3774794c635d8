/* The table. What a browser would have to guess is sent as bytes: nosniff stands beside it. */
#include "core/web/types.h"

#include <string.h>
#include <strings.h>

#define TEXT(subtype) "text/" subtype "; charset=utf-8"

static const struct {
  const char *end, *type;
} table[] = {
    {"html", TEXT("html")},      {"htm", TEXT("html")},
    {"css", TEXT("css")},        {"js", TEXT("javascript")},
    {"mjs", TEXT("javascript")}, {"json", "application/json"},
    {"map", "application/json"}, {"webmanifest", "application/manifest+json"},
    {"svg", "image/svg+xml"},    {"png", "image/png"},
    {"jpg", "image/jpeg"},       {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},        {"webp", "image/webp"},
    {"avif", "image/avif"},      {"ico", "image/x-icon"},
    {"txt", TEXT("plain")},      {"md", TEXT("markdown")},
    {"csv", TEXT("csv")},        {"xml", "application/xml"},
    {"pdf", "application/pdf"},  {"wasm", "application/wasm"},
    {"woff", "font/woff"},       {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},         {"otf", "font/otf"},
    {"mp3", "audio/mpeg"},       {"ogg", "audio/ogg"},
    {"wav", "audio/wav"},        {"mp4", "video/mp4"},
    {"webm", "video/webm"},      {"zip", "application/zip"},
    {"gz", "application/gzip"},  {"tar", "application/x-tar"},
};

const char *hz_content_type(const char *name) {
  const char *slash = strrchr(name, '/');
  const char *dot = strrchr(slash == NULL ? name : slash, '.');

  for (size_t i = 0; dot != NULL && i < sizeof(table) / sizeof(table[0]); i++) {
    if (strcasecmp(dot + 1, table[i].end) == 0) return table[i].type;
  }
  return "application/octet-stream";
}
