/* Configuration by key: one table of names, types, bounds and meanings for herz_set(), for printing,
 * and later for files. */
#ifndef CORE_APP_CONFIG_H
#define CORE_APP_CONFIG_H

#include <stdio.h>

#include "core/observe/log.h"
#include "core/transport/transport.h"

#define HZ_ORIGINS_MAX 32u

struct hz_config {
  struct hz_transport_config transport; /* limits, tls, quic, origins */
  enum hz_log_level log_level;
  bool log_json;
  bool checksum;
  const char *files_index, *files_cache_control; /* of herz_static() without options; NULL: none */
  bool files_precompressed, files_hidden;
  uint32_t drain_ms;
  uint32_t workers; /* 0: auto */
  uint32_t offload_threads, offload_queue;
  const char *topics, *presence; /* as given: topic_rules.c reads them */
  char *strings[16];             /* owned; one for each text key */
  char *origin_text;
  const char *origins[HZ_ORIGINS_MAX + 1];
};

/** Defaults. */
void hz_config_init(struct hz_config *c);
void hz_config_fini(struct hz_config *c);

/** Sets one key. HZ_ENOTFOUND, HZ_EINVAL, HZ_ENOMEM; `why` names key, value and what would do. */
HZ_MUST_USE hz_err hz_config_set(struct hz_config *c, const char *key, const char *value, char *why,
                                 size_t why_len);

/** "key = value   # meaning", one a line. */
void hz_config_print(const struct hz_config *c, FILE *out);

#endif
