/* The table of configuration keys, and reading and printing by it. */
#include "core/app/config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/dispatch/offload.h"
#include "core/include/herz/herz.h"

enum type { T_AUTO, T_U32, T_U64, T_MS, T_BOOL, T_NOT, T_TEXT, T_CHOICE, T_SET, T_KEY, T_ORIGINS };

struct entry {
  const char *key;
  enum type type;
  size_t offset;
  uint64_t min, max;   /* numbers; T_TEXT: min is the index into strings */
  const char *choices; /* T_CHOICE: "a|b|c", numbered from 0; T_SET: some of them, as bits */
  const char *text;
};

#define LIMIT(k, t, lo, hi, meaning) \
  { "limits." #k, t, offsetof(struct hz_config, transport.limits.k), lo, hi, NULL, meaning }
#define LIMIT_MS(k, lo, meaning)                                                                 \
  {                                                                                              \
    "limits." #k "_ms", T_MS, offsetof(struct hz_config, transport.limits.k##_ns), lo, 86400000, \
        NULL, meaning                                                                            \
  }
#define TLS(k, n, meaning) \
  { "tls." #k, T_TEXT, offsetof(struct hz_config, transport.tls.k), n, 0, NULL, meaning }
#define FLAG(k, t, member, meaning) \
  { k, t, offsetof(struct hz_config, member), 0, 1, NULL, meaning }
#define CHOICE(k, member, list, meaning) \
  { k, T_CHOICE, offsetof(struct hz_config, member), 0, 0, list, meaning }

#define U32MAX UINT32_MAX
#define GIB (UINT64_C(1) << 30)

static const struct entry table[] = {
    LIMIT(connections, T_U32, 1, 10000000, "connections at once"),
    LIMIT(streams, T_U32, 1, 65536, "streams of one connection that its peer has open"),
    LIMIT(calls, T_U32, 1, 65536, "calls in flight on one connection"),
    LIMIT(frame_bytes, T_U32, 131072, GIB, "length of a frame"),
    LIMIT(header_bytes, T_U32, 256, 1 << 20, "names and values of one call's headers, bytes"),
    LIMIT(header_count, T_U32, 1, 256, "headers of one call"),
    LIMIT(path_bytes, T_U32, 16, 65536, "a path with its query, bytes"),
    LIMIT(call_memory_bytes, T_U32, 65536, GIB, "what one call may take for head, values, slots"),
    LIMIT(body_bytes, T_U64, 0, 1024 * GIB, "a body that is collected for a handler or caller"),
    LIMIT(conn_body_bytes, T_U64, 0, 1024 * GIB, "bodies being collected on one connection"),
    LIMIT(call_credit_bytes, T_U32, 16384, GIB, "window of a streamed body"),
    LIMIT(send_high_bytes, T_U32, 4096, GIB, "bytes that wait on a stream before it is full"),
    LIMIT(send_low_bytes, T_U32, 1, GIB, "bytes that wait on a stream when it takes more again"),
    LIMIT(pool_bytes, T_U64, 1 << 20, 1024 * GIB, "buffers in use by the worker"),
    LIMIT(message_bytes, T_U32, 1024, GIB, "a WebSocket message"),
    LIMIT(open_files, T_U32, 1, 1000000, "files that answers of one herz_static() hold open"),
    LIMIT(wt_sessions, T_U32, 1, 65536, "WebTransport sessions of one connection"),
    LIMIT(event_queue_bytes, T_U32, 256, GIB, "server-sent events that wait for one reader"),
    LIMIT(cancels, T_U32, 1, 1000000, "calls given up unanswered, at once"),
    LIMIT(cancels_per_second, T_U32, 1, 1000000, "and so many more of one connection each second"),
    LIMIT(glitches, T_U32, 1, 1000000, "HTTP/3: unknown and empty frames and the like, at once"),
    LIMIT(glitches_per_second, T_U32, 1, 1000000, "and so many more of one connection each second"),
    LIMIT(subscriptions, T_U32, 0, 1000000, "subscriptions of one connection"),
    LIMIT(sub_queue_events, T_U32, 1, 1 << 20, "events that wait for one subscription"),
    LIMIT(sub_queue_bytes, T_U32, 1024, GIB, "the same in bytes"),
    LIMIT(conn_queue_bytes, T_U32, 1024, GIB, "events that wait for all of a connection's"),
    LIMIT(topics, T_U32, 1, 10000000, "topics that have history"),
    LIMIT(history_bytes, T_U64, 0, 1024 * GIB, "history of all topics"),
    LIMIT(resume_sessions, T_U32, 1, 10000000, "sessions that wait for their client to come back"),
    LIMIT(resume_bytes, T_U64, 65536, 1024 * GIB,
          "what sessions remember of answers, all together"),
    LIMIT(presence_members, T_U32, 1, 100000000, "members of all topics that have presence"),
    LIMIT(presence_list, T_U32, 1, 1024, "a topic with more members tells how many, not who"),
    LIMIT(datagrams, T_U32, 1, 65536, "datagrams that wait to leave on one connection"),
    LIMIT(retry_from, T_U32, 1, 65535, "QUIC handshakes under way before an address is validated"),
    LIMIT(prefix_retry_from, T_U32, 1, 65535, "the same, of one network (/24, /48)"),
    LIMIT(prefix_handshakes, T_U32, 1, 65535, "QUIC handshakes under way of one network"),
    LIMIT(closed_kept, T_U32, 1, 1000000, "closed QUIC connections that are still answered for"),
    LIMIT_MS(handshake_timeout, 1, "from the first byte to an open connection"),
    LIMIT_MS(idle_timeout, 1, "a connection without a byte"),
    LIMIT_MS(frame_timeout, 1, "from a frame's first byte to its last"),
    LIMIT_MS(call_timeout, 1, "from a request to the end of its answer"),
    LIMIT_MS(resume_grace, 1, "a session without a connection waits for its client"),
    LIMIT_MS(presence_window, 1, "changes of who is on a topic are gathered so long"),
    LIMIT_MS(close_timeout, 1, "what waits to leave when a connection is closed"),
    TLS(cert_file, 0, "certificate chain, PEM"),
    TLS(key_file, 1, "private key, PEM"),
    TLS(ca_file, 2, "trusted certificates, PEM; on a server: clients must be signed by these"),
    TLS(server_name, 3, "client: the name to ask for and to verify"),
    TLS(session_file, 4, "client: where tickets are kept, for resumption and early data"),
    TLS(keylog_file, 5, "appends every session's secrets, for packet analysers"),
    TLS(qlog_dir, 6, "QUIC: a qlog file for each connection goes here"),
    FLAG("tls.insecure", T_BOOL, transport.tls.insecure, "client: do not verify the server"),
    FLAG("tls.require_client_cert", T_BOOL, transport.tls.require_client_cert,
         "server: refuse clients without a certificate"),
    FLAG("tls.early_data", T_NOT, transport.tls.no_early_data, "0-RTT for safe methods"),
    CHOICE("quic.retry", transport.packet.retry, "auto|always|never",
           "address validation by Retry: auto means under load"),
    CHOICE("quic.congestion", transport.packet.congestion, "cubic|bbr", "congestion control"),
    {"quic.reset_key", T_KEY, offsetof(struct hz_config, transport.packet.reset_key), 0, 0, NULL,
     "64 hex digits; the same on every node and start: resets, tokens and tickets stay valid"},
    FLAG("quic.prefer_v2", T_BOOL, transport.packet.prefer_v2, "QUIC version 2 where both know it"),
    {"http.alt_svc", T_TEXT, offsetof(struct hz_config, transport.alt_svc), 7, 0, NULL,
     "what every HTTP response says in Alt-Svc; empty: nothing"},
    {"files.index", T_TEXT, offsetof(struct hz_config, files_index), 12, 0, NULL,
     "herz_static() without options, herzd --files: the file for a folder; empty: none"},
    {"files.cache_control", T_TEXT, offsetof(struct hz_config, files_cache_control), 13, 0, NULL,
     "the same: what Cache-Control says; empty: nothing"},
    FLAG("files.precompressed", T_BOOL, files_precompressed,
         "the same: FILE.br and FILE.gz answer for FILE where they are accepted"),
    FLAG("files.hidden", T_BOOL, files_hidden,
         "the same: names that begin with a dot are served too"),
    {"topics", T_TEXT, offsetof(struct hz_config, topics), 8, 0, NULL,
     "topics with history: PATTERN events=N bytes=N seconds=N; PATTERN ..."},
    {"presence", T_TEXT, offsetof(struct hz_config, presence), 14, 0, NULL,
     "topics that have presence: PATTERN; PATTERN ..."},
    {"ws.origins", T_ORIGINS, 0, 0, 0, NULL,
     "browser origins that may open a WebSocket or a WebTransport session, comma-separated; "
     "\"self\": the same host, as when empty"},
    {"wt.drafts", T_SET, offsetof(struct hz_config, transport.wt_drafts), 0, 0, "02|07|13|15",
     "drafts of WebTransport that are offered, by the first of their generation; empty: all"},
    CHOICE("log.level", log_level, "debug|info|warn|error|off", "lines below it are not written"),
    CHOICE("log.format", log_json, "text|json", "one line an event, on stderr"),
    FLAG("frame.checksum", T_BOOL, checksum, "client: send the checksum with every frame"),
    {"workers", T_AUTO, offsetof(struct hz_config, workers), 1, HERZ_WORKERS_MAX, NULL,
     "threads that serve; auto: one for each core this process may use"},
    {"offload.threads", T_U32, offsetof(struct hz_config, offload_threads), 1,
     HZ_OFFLOAD_THREADS_MAX, NULL, "threads for work that blocks; they start with the first"},
    {"offload.queue", T_U32, offsetof(struct hz_config, offload_queue), 1, 1 << 20, NULL,
     "work that may wait for one of them"},
    {"drain_ms", T_U32, offsetof(struct hz_config, drain_ms), 0, 86400000, NULL,
     "grace for calls under way when the service ends"},
};

#define ENTRIES (sizeof(table) / sizeof(table[0]))

void hz_config_init(struct hz_config *c) {
  memset(c, 0, sizeof(*c));
  hz_limits_defaults(&c->transport.limits);
  c->log_level = HZ_LOG_INFO;
  c->files_index = "index.html";
  c->drain_ms = 10000;
  c->workers = 1;
  c->offload_threads = 4;
  c->offload_queue = 1024;
}

void hz_config_fini(struct hz_config *c) {
  for (size_t i = 0; i < sizeof(c->strings) / sizeof(c->strings[0]); i++) free(c->strings[i]);
  free(c->origin_text);
}

static void *member(const struct hz_config *c, const struct entry *e) {
  return (char *)(uintptr_t)c + e->offset;
}

static hz_err set_number(struct hz_config *c, const struct entry *e, const char *value, char *why,
                         size_t why_len) {
  char *end;

  errno = 0;
  unsigned long long n = strtoull(value, &end, 10);
  if (!isdigit((unsigned char)value[0]) || *end != '\0' || errno != 0 || n < e->min || n > e->max) {
    (void)snprintf(why, why_len, "%s: \"%s\" is not a number from %" PRIu64 " to %" PRIu64, e->key,
                   value, e->min, e->max);
    return HZ_EINVAL;
  }
  if (e->type == T_U32) {
    *(uint32_t *)member(c, e) = (uint32_t)n;
  } else {
    *(uint64_t *)member(c, e) = e->type == T_MS ? n * HZ_MS : n;
  }
  return HZ_OK;
}

static hz_err set_auto(struct hz_config *c, const struct entry *e, const char *value, char *why,
                       size_t why_len) {
  uint32_t *n = member(c, e);
  char *end;
  unsigned long number = strtoul(value, &end, 10);

  if (strcmp(value, "auto") == 0) {
    *n = 0;
  } else if (isdigit((unsigned char)value[0]) && *end == '\0' && number >= e->min &&
             number <= e->max) {
    *n = (uint32_t)number;
  } else {
    (void)snprintf(why, why_len,
                   "%s: \"%s\" is neither auto nor a number from %" PRIu64 " to %" PRIu64, e->key,
                   value, e->min, e->max);
    return HZ_EINVAL;
  }
  return HZ_OK;
}

static hz_err set_flag(struct hz_config *c, const struct entry *e, const char *value, char *why,
                       size_t why_len) {
  static const char *const yes[] = {"true", "yes", "on", "1"};
  static const char *const no[] = {"false", "no", "off", "0"};

  for (int i = 0; i < 4; i++) {
    if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
      *(bool *)member(c, e) = (strcmp(value, yes[i]) == 0) == (e->type == T_BOOL);
      return HZ_OK;
    }
  }
  (void)snprintf(why, why_len, "%s: \"%s\" is neither true nor false", e->key, value);
  return HZ_EINVAL;
}

/* The number of a word among "a|b|c"; -1: it is none of them. */
static int choice_of(const char *choices, const char *word, size_t len) {
  int n = 0;

  for (const char *p = choices; p != NULL; n++) {
    const char *bar = strchr(p, '|');
    size_t l = bar == NULL ? strlen(p) : (size_t)(bar - p);

    if (l == len && memcmp(p, word, len) == 0) return n;
    p = bar == NULL ? NULL : bar + 1;
  }
  return -1;
}

static hz_err set_choice(struct hz_config *c, const struct entry *e, const char *value, char *why,
                         size_t why_len) {
  int n = choice_of(e->choices, value, strlen(value));

  if (n < 0) {
    (void)snprintf(why, why_len, "%s: \"%s\" is none of %s", e->key, value, e->choices);
    return HZ_EINVAL;
  }
  /* log.format is a flag, the others are enums. */
  if (e->offset == offsetof(struct hz_config, log_json)) {
    c->log_json = n == 1;
  } else {
    memcpy(member(c, e), &n, sizeof(n));
  }
  return HZ_OK;
}

static hz_err set_some(struct hz_config *c, const struct entry *e, const char *value, char *why,
                       size_t why_len) {
  uint32_t bits = 0;

  for (const char *p = value; *p != '\0'; p += strspn(p, ", ")) {
    size_t len = strcspn(p, ", ");
    int n = choice_of(e->choices, p, len);

    if (len > 0 && n < 0) {
      (void)snprintf(why, why_len, "%s: \"%.*s\" is none of %s", e->key, (int)len, p, e->choices);
      return HZ_EINVAL;
    }
    if (len > 0) bits |= UINT32_C(1) << n;
    p += len;
  }
  *(uint32_t *)member(c, e) = bits;
  return HZ_OK;
}

static hz_err set_text(struct hz_config *c, const struct entry *e, const char *value) {
  char **own = &c->strings[e->min];
  char *copy = value[0] == '\0' ? NULL : strdup(value);

  if (copy == NULL && value[0] != '\0') return HZ_ENOMEM;
  free(*own);
  *own = copy;
  *(const char **)member(c, e) = copy;
  return HZ_OK;
}

static hz_err set_key(struct hz_config *c, const struct entry *e, const char *value, char *why,
                      size_t why_len) {
  uint8_t *key = member(c, e);

  if (strlen(value) != 64 || strspn(value, "0123456789abcdefABCDEF") != 64) {
    (void)snprintf(why, why_len, "%s: not 64 hex digits", e->key);
    return HZ_EINVAL;
  }
  for (size_t i = 0; i < 32; i++) {
    char pair[3] = {value[2 * i], value[2 * i + 1], '\0'};

    key[i] = (uint8_t)strtoul(pair, NULL, 16);
  }
  return HZ_OK;
}

static hz_err set_origins(struct hz_config *c, const char *value, char *why, size_t why_len) {
  char *text = strdup(value);
  char *save = NULL;
  size_t n = 0;

  if (text == NULL) return HZ_ENOMEM;
  free(c->origin_text);
  c->origin_text = text;
  c->transport.origins = NULL;
  for (char *p = strtok_r(text, ", ", &save); p != NULL; p = strtok_r(NULL, ", ", &save)) {
    if (n == HZ_ORIGINS_MAX) {
      (void)snprintf(why, why_len, "ws.origins: more than %u", HZ_ORIGINS_MAX);
      return HZ_EINVAL;
    }
    c->origins[n++] = p;
  }
  c->origins[n] = NULL;
  if (n > 0) c->transport.origins = c->origins;
  return HZ_OK;
}

hz_err hz_config_set(struct hz_config *c, const char *key, const char *value, char *why,
                     size_t why_len) {
  for (size_t i = 0; i < ENTRIES; i++) {
    const struct entry *e = &table[i];

    if (strcmp(e->key, key) != 0) continue;
    switch (e->type) {
      case T_AUTO: return set_auto(c, e, value, why, why_len);
      case T_U32:
      case T_U64:
      case T_MS: return set_number(c, e, value, why, why_len);
      case T_BOOL:
      case T_NOT: return set_flag(c, e, value, why, why_len);
      case T_CHOICE: return set_choice(c, e, value, why, why_len);
      case T_SET: return set_some(c, e, value, why, why_len);
      case T_TEXT: return set_text(c, e, value);
      case T_KEY: return set_key(c, e, value, why, why_len);
      case T_ORIGINS: return set_origins(c, value, why, why_len);
    }
  }
  (void)snprintf(why, why_len, "there is no key \"%s\": `herzd config defaults` lists them", key);
  return HZ_ENOTFOUND;
}

static void print_choice(const struct hz_config *c, const struct entry *e, char *out, size_t len) {
  unsigned n = 0;
  const char *p = e->choices;

  if (e->offset == offsetof(struct hz_config, log_json)) {
    n = c->log_json;
  } else {
    memcpy(&n, member(c, e), sizeof(n));
  }
  for (; n > 0 && p != NULL; n--) {
    p = strchr(p, '|');
    if (p != NULL) p++;
  }
  if (p == NULL) p = "?";
  (void)snprintf(out, len, "%.*s", (int)strcspn(p, "|"), p);
}

static void print_some(const struct hz_config *c, const struct entry *e, char *out, size_t len) {
  uint32_t bits = *(uint32_t *)member(c, e);
  size_t used = 0;

  out[0] = '\0';
  for (const char *p = e->choices; p != NULL && used < len; bits >>= 1) {
    int word = (int)strcspn(p, "|");

    if ((bits & 1) != 0)
      used += (size_t)snprintf(out + used, len - used, "%s%.*s", used > 0 ? "," : "", word, p);
    p = p[word] == '|' ? p + word + 1 : NULL;
  }
}

static void print_value(const struct hz_config *c, const struct entry *e, char *out, size_t len) {
  static const uint8_t zero[32];
  const char *text;

  switch (e->type) {
    case T_AUTO:
    case T_U32:
      if (e->type == T_AUTO && *(uint32_t *)member(c, e) == 0) {
        (void)snprintf(out, len, "auto");
      } else {
        (void)snprintf(out, len, "%" PRIu32, *(uint32_t *)member(c, e));
      }
      break;
    case T_U64: (void)snprintf(out, len, "%" PRIu64, *(uint64_t *)member(c, e)); break;
    case T_MS: (void)snprintf(out, len, "%" PRIu64, *(uint64_t *)member(c, e) / HZ_MS); break;
    case T_BOOL:
    case T_NOT:
      (void)snprintf(out, len, "%s",
                     *(bool *)member(c, e) == (e->type == T_BOOL) ? "true" : "false");
      break;
    case T_CHOICE: print_choice(c, e, out, len); break;
    case T_SET: print_some(c, e, out, len); break;
    case T_TEXT:
      text = *(const char **)member(c, e);
      (void)snprintf(out, len, "%s", text == NULL ? "" : text);
      break;
    case T_KEY: /* a secret: only whether there is one */
      (void)snprintf(out, len, "%s", memcmp(member(c, e), zero, 32) == 0 ? "" : "(set)");
      break;
    case T_ORIGINS:
      out[0] = '\0';
      for (size_t i = 0; c->origins[i] != NULL; i++) {
        size_t n = strlen(out);

        (void)snprintf(out + n, len - n, "%s%s", i == 0 ? "" : ",", c->origins[i]);
      }
      break;
  }
}

void hz_config_print(const struct hz_config *c, FILE *out) {
  char value[2048];

  for (size_t i = 0; i < ENTRIES; i++) {
    print_value(c, &table[i], value, sizeof(value));
    fprintf(out, "%s=%s\t# %s%s%s%s\n", table[i].key, value, table[i].text,
            table[i].choices == NULL ? "" : " (", table[i].choices == NULL ? "" : table[i].choices,
            table[i].choices == NULL ? "" : ")");
  }
}
