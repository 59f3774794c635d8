/* Reads the vectors in tests/golden, whose README.md has the format. Not here: what is done with a
 * case (golden_test.c). */
#ifndef TESTS_UNIT_CODEC_GOLDEN_UTIL_H
#define TESTS_UNIT_CODEC_GOLDEN_UTIL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"

#define EXPECTS_MAX 8
#define LINE_MAX_BYTES 8192

struct vector {
  char name[128];
  uint8_t *bytes; /* grows; kept from case to case */
  size_t n, cap;
  bool has_hex;
  char expect[EXPECTS_MAX][LINE_MAX_BYTES];
  size_t expects;
  char json[LINE_MAX_BYTES], error[32], way[16];
  bool has_json, canonical;
  uint32_t limit;
};

static inline void vector_byte(struct vector *v, uint8_t byte) {
  if (v->n == v->cap) {
    v->cap = v->cap * 2 + 4096;
    v->bytes = realloc(v->bytes, v->cap);
    if (v->bytes == NULL) abort();
  }
  v->bytes[v->n++] = byte;
}

/* One token of a `hex:` line: digits, 'text', either with *N. Returns the end; NULL: malformed. */
static inline const char *vector_token(struct vector *v, const char *p) {
  size_t start = v->n;
  if (*p == '\'') {
    for (p++; *p != '\'' && *p != '\0'; p++) vector_byte(v, (uint8_t)*p);
    if (*p++ != '\'') return NULL;
  } else {
    unsigned byte;
    int used = 0;
    while (sscanf(p, "%2x%n", &byte, &used) == 1 && used == 2) {
      vector_byte(v, (uint8_t)byte);
      p += 2;
      if (*p == ' ' || *p == '*' || *p == '\0') break;
    }
    if (v->n == start) return NULL;
  }
  if (*p != '*') return p;
  char *end;
  unsigned long times = strtoul(p + 1, &end, 10);
  size_t len = v->n - start;
  for (unsigned long i = 1; i < times; i++)
    for (size_t k = 0; k < len; k++) vector_byte(v, v->bytes[start + k]);
  return end;
}

static inline bool vector_hex(struct vector *v, const char *p) {
  v->has_hex = true;
  while (p != NULL) {
    while (*p == ' ') p++;
    if (*p == '\0') return true;
    p = vector_token(v, p);
  }
  return false;
}

static inline bool vector_line(struct vector *v, const char *key, const char *value) {
  if (strcmp(key, "hex") == 0) return vector_hex(v, value);
  if (strcmp(key, "expect") == 0 && v->expects < EXPECTS_MAX) {
    strcpy(v->expect[v->expects++], value);
  } else if (strcmp(key, "json") == 0) {
    v->has_json = true;
    strcpy(v->json, value);
  } else if (strcmp(key, "error") == 0) {
    snprintf(v->error, sizeof(v->error), "%s", value);
  } else if (strcmp(key, "way") == 0) {
    snprintf(v->way, sizeof(v->way), "%s", value);
  } else if (strcmp(key, "canonical") == 0) {
    v->canonical = strcmp(value, "no") != 0;
  } else if (strcmp(key, "limit") == 0) {
    v->limit = (uint32_t)strtoul(value, NULL, 10);
  } else {
    return false;
  }
  return true;
}

/* Reads the next case; `line` keeps what was read ahead. False at the end of the file. */
static inline bool vector_next(FILE *f, char line[LINE_MAX_BYTES], struct vector *v) {
  v->n = v->expects = 0;
  v->has_hex = v->has_json = false;
  v->error[0] = '\0';
  v->canonical = true;
  v->limit = 1u << 20;
  strcpy(v->way, "both");
  bool in_case = false;
  for (;;) {
    if (line[0] == '\0' && fgets(line, LINE_MAX_BYTES, f) == NULL) return in_case;
    line[strcspn(line, "\n")] = '\0';
    char *value = strchr(line, ':');
    if (line[0] == '\0' || line[0] == '#') {
      line[0] = '\0';
      continue;
    }
    if (value == NULL) break;
    *value++ = '\0';
    if (*value == ' ') value++;
    if (strcmp(line, "case") == 0) {
      if (in_case) { /* the next one's: put the line together again for the next call */
        memmove(line + 6, value, strlen(value) + 1);
        memcpy(line, "case: ", 6);
        return true;
      }
      in_case = true;
      snprintf(v->name, sizeof(v->name), "%s", value);
    } else if (!in_case || !vector_line(v, line, value)) {
      break;
    }
    line[0] = '\0';
  }
  fprintf(stderr, "golden: cannot read a line of case '%s': %s\n", v->name, line);
  abort();
}

static inline FILE *golden_open(const char *name) {
  char path[4096];
  const char *source = getenv("HERZ_SOURCE"); /* CTest sets it; else: run from the top folder */
  snprintf(path, sizeof(path), "%s/tests/golden/%s", source == NULL ? "." : source, name);
  FILE *f = fopen(path, "r");
  if (f == NULL) {
    fprintf(stderr, "golden: cannot open %s: set HERZ_SOURCE to the source folder\n", path);
    abort();
  }
  return f;
}

static inline const char *golden_error(hz_err err) {
  switch (err) {
    case HZ_EMAGIC: return "magic";
    case HZ_EVERSION: return "version";
    case HZ_ETOOBIG: return "too_big";
    case HZ_ECHECKSUM: return "checksum";
    case HZ_EPROTO: return "protocol";
    case HZ_ETRUNC: return "truncated";
    case HZ_ELIMIT: return "limit";
    case HZ_EDEPTH: return "depth";
    case HZ_EUNSUPPORTED: return "unsupported";
    default: return "another";
  }
}

#endif
