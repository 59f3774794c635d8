/* Subscribing and publishing as Herz, Redis, NATS, MQTT and a plain loop want it: see bench_fan_peer.h. */
#include "apps/herz/bench_fan_peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/exits.h"
#include "apps/herz/bench_ws.h"

#define LINE_MAX_BYTES 8192u
#define FRAME_MAX_BYTES ((size_t)1 << 20)
#define TOPIC_MAX 255u
#define ROOM 256u /* for what stands around topic and body */

/* ---- composing ---- */

struct out {
  char *at;
};

static void put(struct out *o, const void *data, size_t len) {
  memcpy(o->at, data, len);
  o->at += len;
}

static void put_text(struct out *o, const char *text) {
  put(o, text, strlen(text));
}

/* MQTT's remaining length. */
static void put_varint(struct out *o, size_t n) {
  do {
    *o->at++ = (char)((n & 127u) | (n > 127 ? 128u : 0));
    n >>= 7;
  } while (n > 0);
}

/* Of up to 65,535 bytes, as MQTT and msgpack write their length. */
static void put_mqtt_text(struct out *o, const char *text) {
  o->at = raw_put_number(o->at, (char)(strlen(text) >> 8), strlen(text) & 255u, 1);
  put_text(o, text);
}

static void put_frame_text(struct out *o, const char *text) {
  o->at = raw_put_number(o->at, (char)0xda, strlen(text), 2);
  put_text(o, text);
}

static void put_body(struct fan_script *s, struct out *o) {
  s->publish_at = (size_t)(o->at - s->publish);
  memset(o->at, 'x', s->size);
  o->at += s->size;
}

static void put_frame_body(struct fan_script *s, struct out *o) {
  o->at = raw_put_number(o->at, (char)0xc6, s->size, 4);
  put_body(s, o);
}

/* ---- what is published, what comes ---- */

static void expect(struct fan_script *s, const char *head) {
  s->head_len = strlen(head);
  memcpy(s->head, head, s->head_len < RAW_HEAD_MAX ? s->head_len : RAW_HEAD_MAX);
  if (s->head_len > RAW_HEAD_MAX) s->head_len = RAW_HEAD_MAX;
  s->delivery_at = strlen(head);
  s->delivery_len = s->delivery_at + s->size + strlen("\r\n");
}

static void make_redis(struct fan_script *s, struct out *o) {
  char head[LINE_MAX_BYTES];
  size_t n = strlen(s->topic);
  o->at += snprintf(o->at, ROOM + TOPIC_MAX, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%u\r\n", n,
                    s->topic, s->size);
  put_body(s, o);
  put_text(o, "\r\n");
  snprintf(head, sizeof head, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%u\r\n", n, s->topic, s->size);
  expect(s, head);
}

/* NATS asks whether one is alive two seconds after the beginning: a run can do without an answer. */
static void make_nats(struct fan_script *s, struct out *o) {
  char head[LINE_MAX_BYTES];
  o->at += snprintf(o->at, ROOM + TOPIC_MAX, "PUB %s %u\r\n", s->topic, s->size);
  put_body(s, o);
  put_text(o, "\r\n");
  snprintf(head, sizeof head, "MSG %s 1 %u\r\n", s->topic, s->size);
  expect(s, head);
  s->aside = "PING\r\n";
}

/* At most once; a delivery has the bytes of what was published. */
static void make_mqtt(struct fan_script *s, struct out *o) {
  *o->at++ = 0x30;
  put_varint(o, 2 + strlen(s->topic) + s->size);
  put_mqtt_text(o, s->topic);
  put_body(s, o);
  s->delivery_len = (size_t)(o->at - s->publish);
  s->delivery_at = s->publish_at;
  s->head_len = s->publish_at < RAW_HEAD_MAX ? s->publish_at : RAW_HEAD_MAX;
  memcpy(s->head, s->publish, s->head_len);
}

/* A frame in a message of its own. Masked with zeroes it stays as it is, and costs the service the same. */
static size_t wrap(const struct fan_script *s, char *frame, size_t len) {
  static const uint8_t key[4] = {0};
  uint8_t head[RAW_WS_HEAD_MAX];
  if (!s->wrapped) return len;
  size_t n = raw_put_message_head(head, len, key);
  memmove(frame + n, frame, len);
  memcpy(frame, head, n);
  return n + len;
}

/* `[10, nil, topic, {}, body]`; how long an EVENT is the first one tells. */
static void make_herz(struct fan_script *s, struct out *o) {
  o->at += RAW_FRAME_HEAD;
  put(o, "\x95\x0a\xc0", 3);
  put_frame_text(o, s->topic);
  put(o, "\xc0", 1);
  put_frame_body(s, o);
  size_t len = (size_t)(o->at - s->publish), whole;
  raw_seal(s->publish, len);
  whole = wrap(s, s->publish, len);
  o->at += whole - len;
  s->publish_at += whole - len;
}

static void make_plain(struct fan_script *s, struct out *o) {
  put_body(s, o);
  s->delivery_len = s->size;
}

int fan_script_make(struct fan_script *s) {
  if (strlen(s->topic) > TOPIC_MAX)
    return fail(EXIT_USAGE, "--topic: longer than %u bytes, with --raw", TOPIC_MAX);
  s->publish = malloc(ROOM + TOPIC_MAX + s->size);
  if (!s->publish) return fail(EXIT_USAGE, "--size %u: memory is short", s->size);
  struct out o = {s->publish};
  s->wrapped = s->target->websocket;
  if (strcmp(s->kind, "redis") == 0)
    make_redis(s, &o);
  else if (strcmp(s->kind, "nats") == 0)
    make_nats(s, &o);
  else if (strcmp(s->kind, "mqtt") == 0)
    make_mqtt(s, &o);
  else if (strcmp(s->kind, "herz") == 0)
    make_herz(s, &o);
  else
    make_plain(s, &o);
  s->publish_len = (size_t)(o.at - s->publish);
  return EXIT_OK;
}

void fan_script_free(struct fan_script *s) {
  free(s->publish);
}

/* ---- opening ---- */

static bool subscribe_redis(const struct fan_script *s, int fd) {
  char line[LINE_MAX_BYTES];
  int n = snprintf(line, sizeof line, "SUBSCRIBE %s\r\n", s->topic);
  if (!raw_send(fd, line, (size_t)n)) return false;
  for (int i = 0; i < 6; i++) { /* the last is ":1" */
    if (!raw_read_to(fd, "\r\n", line, sizeof line)) return false;
    if (line[0] == '-') return raw_refused(s->target, line);
  }
  return true;
}

static bool open_nats(const struct fan_script *s, int fd, bool subscribe) {
  char line[LINE_MAX_BYTES];
  if (!raw_read_to(fd, "\r\n", line, sizeof line)) return false;
  if (strncmp(line, "INFO ", 5) != 0) return raw_refused(s->target, line);
  int n = snprintf(line, sizeof line, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
  if (subscribe) n += snprintf(line + n, sizeof line - (size_t)n, "SUB %s 1\r\n", s->topic);
  n += snprintf(line + n, sizeof line - (size_t)n, "PING\r\n");
  if (!raw_send(fd, line, (size_t)n) || !raw_read_to(fd, "\r\n", line, sizeof line)) return false;
  return strncmp(line, "PONG", 4) == 0 || raw_refused(s->target, line);
}

static bool open_mqtt(const struct fan_script *s, int fd, bool subscribe) {
  static const char connect[] = "\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00";
  char text[ROOM + TOPIC_MAX], answer[5];
  if (!raw_send(fd, connect, sizeof connect - 1) || !raw_read(fd, answer, 4)) return false;
  if (memcmp(answer, "\x20\x02\x00\x00", 4) != 0) {
    return raw_refused(s->target, (char[]){"no CONNACK with code 0"});
  }
  if (!subscribe) return true;
  struct out o = {text};
  *o.at++ = (char)0x82;
  put_varint(&o, 2 + 2 + strlen(s->topic) + 1);
  put(&o, "\x00\x01", 2);
  put_mqtt_text(&o, s->topic);
  put(&o, "\x00", 1);
  if (!raw_send(fd, text, (size_t)(o.at - text)) || !raw_read(fd, answer, 5)) return false;
  return memcmp(answer, "\x90\x03\x00\x01\x00", 5) == 0 ||
         raw_refused(s->target, (char[]){"no SUBACK with code 0"});
}

/* What is sent alone, or answered alone, comes in a message alone: its head says nothing new. */
static size_t read_frame(const struct fan_script *s, int fd, char *frame) {
  uint8_t head[RAW_WS_HEAD_MAX];
  char *h = (char *)head;
  if (s->wrapped && !(raw_read(fd, h, 2) && raw_read(fd, h + 2, raw_message_head_len(head) - 2)))
    return 0;
  return raw_read_frame(s->target, fd, frame, FRAME_MAX_BYTES);
}

/* Publishes one event to itself. Its frame's first bytes and its length are those of all. */
static bool measure_herz(struct fan_script *s, int fd, char *frame) {
  raw_put_id(s->publish + s->publish_at, UINT64_MAX);
  if (!raw_send(fd, s->publish, s->publish_len)) return false;
  size_t len = read_frame(s, fd, frame);
  const char *number = len == 0 ? NULL : memmem(frame, len, s->publish + s->publish_at, 8);
  if (len == 0) return false;
  if (!number || frame[RAW_FRAME_HEAD + 1] != 12) {
    return raw_refused(s->target, (char[]){"no EVENT in one frame came"});
  }
  s->delivery_len = len;
  s->delivery_at = (size_t)(number - frame);
  s->head_len = RAW_FRAME_HEAD + 2;
  memcpy(s->head, frame, s->head_len);
  return true;
}

/* `[8, id, pattern, nil]`, and the ACK. */
static bool subscribe_herz(struct fan_script *s, int fd) {
  static char frame[FRAME_MAX_BYTES];
  struct out o = {frame + RAW_FRAME_HEAD};
  put(&o, "\x94\x08\x01", 3);
  put_frame_text(&o, s->topic);
  put(&o, "\xc0", 1);
  raw_seal(frame, (size_t)(o.at - frame));
  if (!raw_send(fd, frame, wrap(s, frame, (size_t)(o.at - frame)))) return false;
  if (read_frame(s, fd, frame) == 0) return false;
  if (frame[RAW_FRAME_HEAD + 1] != 11) return raw_refused(s->target, (char[]){"no ACK of SUB"});
  return s->delivery_len > 0 || measure_herz(s, fd, frame);
}

static bool upgrade(const struct fan_script *s, int fd) {
  return !s->wrapped || raw_open_websocket(s->target, fd, "herz.v1");
}

int fan_open_subscriber(struct fan_script *s) {
  bool ok = true;
  int fd = raw_dial(s->target, s->timeout_ms);
  if (fd < 0) return fd;
  if (strcmp(s->kind, "redis") == 0)
    ok = subscribe_redis(s, fd);
  else if (strcmp(s->kind, "nats") == 0)
    ok = open_nats(s, fd, true);
  else if (strcmp(s->kind, "mqtt") == 0)
    ok = open_mqtt(s, fd, true);
  else if (strcmp(s->kind, "herz") == 0)
    ok = upgrade(s, fd) && subscribe_herz(s, fd);
  return ok ? fd : raw_not_opened(s->target, fd);
}

int fan_open_publisher(const struct fan_script *s) {
  bool ok = true;
  int fd = raw_dial(s->target, s->timeout_ms);
  if (fd < 0) return fd;
  if (strcmp(s->kind, "nats") == 0) ok = open_nats(s, fd, false);
  if (strcmp(s->kind, "mqtt") == 0) ok = open_mqtt(s, fd, false);
  if (strcmp(s->kind, "herz") == 0) ok = upgrade(s, fd);
  return ok ? fd : raw_not_opened(s->target, fd);
}
