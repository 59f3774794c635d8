/* The default of every bound. Not here: reading them from a configuration, and enforcing them. */
#include "core/guard/limits.h"

#define KIB UINT32_C(1024)
#define MIB (KIB * KIB)

static void u32(uint32_t *member, uint32_t value) {
  if (*member == 0) *member = value;
}

static void u64(uint64_t *member, uint64_t value) {
  if (*member == 0) *member = value;
}

void hz_limits_defaults(struct hz_limits *l) {
  u32(&l->connections, 100000);
  u32(&l->streams, 1024);
  u32(&l->calls, 1024);
  u32(&l->frame_bytes, MIB);
  u32(&l->header_bytes, 64 * KIB);
  u32(&l->header_count, 128);
  u32(&l->path_bytes, 8 * KIB);
  u32(&l->call_memory_bytes, MIB);
  u64(&l->body_bytes, 16 * (uint64_t)MIB);
  u64(&l->conn_body_bytes, 64 * (uint64_t)MIB);
  u32(&l->call_credit_bytes, 256 * KIB);
  u32(&l->send_high_bytes, 256 * KIB);
  /* Who lowers only the high mark shall not end up with a low one above it. */
  u32(&l->send_low_bytes, l->send_high_bytes < 256 * KIB ? l->send_high_bytes / 4 : 64 * KIB);
  u64(&l->pool_bytes, 1024 * (uint64_t)MIB);
  u32(&l->message_bytes, 16 * MIB);
  u32(&l->open_files, 1024);
  u32(&l->wt_sessions, 16);
  u32(&l->event_queue_bytes, 64 * KIB);
  u32(&l->cancels, 500);
  u32(&l->cancels_per_second, 50);
  u32(&l->glitches, 1000);
  u32(&l->glitches_per_second, 33);
  u32(&l->subscriptions, 1000);
  u32(&l->sub_queue_events, 1024);
  u32(&l->sub_queue_bytes, MIB);
  u32(&l->conn_queue_bytes, 4 * MIB);
  u32(&l->topics, 10000);
  u64(&l->history_bytes, 64 * (uint64_t)MIB);
  u32(&l->resume_sessions, 10000);
  u64(&l->resume_bytes, 64 * (uint64_t)MIB);
  u32(&l->presence_members, 1000000);
  u32(&l->presence_list, 256);
  u32(&l->datagrams, 256);
  u32(&l->retry_from, 128);
  u32(&l->prefix_retry_from, 64);
  u32(&l->prefix_handshakes, 1024);
  u32(&l->closed_kept, 4096);
  u64(&l->handshake_timeout_ns, 10 * HZ_SEC);
  u64(&l->idle_timeout_ns, 60 * HZ_SEC);
  u64(&l->frame_timeout_ns, 10 * HZ_SEC);
  u64(&l->call_timeout_ns, 60 * HZ_SEC);
  u64(&l->resume_grace_ns, 30 * HZ_SEC);
  u64(&l->presence_window_ns, 200 * HZ_MS);
  u64(&l->close_timeout_ns, 5 * HZ_SEC);
}
