/* `herz sub`: what is published to the topics of a pattern, on standard output; gaps on standard error. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <herz/hub.h>

#include "apps/common/exits.h"
#include "apps/herz/commands.h"

static struct {
  uint32_t count, wait_ms, credit;
  bool include, json, raw, reconnect, resume;
  const char *delivery, *slow, *from, *as;
} options;

const struct args_option sub_flags[] = {
    {ARGS_NUMBER, 'C', "count", "N", "exit after so many events", &options.count, 1000000000},
    {ARGS_MILLIS, 'W', "wait", "S", "exit after so many seconds; with -C it is then too late: 5",
     &options.wait_ms, 86400},
    {ARGS_FLAG, 'r', "reconnect", NULL, "when the connection goes, connect and subscribe again",
     &options.reconnect, 0},
    {ARGS_FLAG, 0, "resume", NULL, "the same, in the same session where the service has kept it",
     &options.resume, 0},
    {ARGS_FLAG, 'i', "include", NULL, "print topic, epoch and offset in front of each event",
     &options.include, 0},
    {ARGS_FLAG, 0, "json", NULL, "print each event as one line of JSON", &options.json, 0},
    {ARGS_FLAG, 0, "raw", NULL, "print bodies alone, without a line's end", &options.raw, 0},
    {ARGS_TEXT, 0, "from", "OFFSET|-SECONDS",
     "begin with that offset, 0: with all there is; or with what was published so long ago",
     &options.from, 0},
    {ARGS_TEXT, 0, "as", "NAME", "what this subscriber is called on a topic that has presence",
     &options.as, 0},
    {ARGS_CHOICE, 0, "class", "ordered|stream|datagram|latest", "how events come",
     &options.delivery, 0},
    {ARGS_CHOICE, 0, "slow", "oldest|newest|latest|pause|close",
     "what the service does when they are not taken fast enough", &options.slow, 0},
    {0}};

const char sub_notes[] = "PATTERN is a topic, or has + for one segment and # at its end for the "
                         "rest; '$presence/TOPIC'\n"
                         "tells who is on TOPIC, if it has presence. Without URL that of HERZ_URL "
                         "is used.\n\n" SEVERAL_NOTES URL_NOTES;

static struct {
  struct client client;
  uint32_t received;
  bool late;
  int err;
  char text[160];
} sub;

/* Text or bytes as JSON: by way of the msgpack that says the same. */
static void print_json(unsigned char head, const void *data, size_t len) {
  unsigned char *value = malloc(len + 5);
  if (!value) return;
  value[0] = head;
  for (int i = 0; i < 4; i++) value[1 + i] = (unsigned char)(len >> (24 - 8 * i));
  if (len) memcpy(value + 5, data, len);
  herz_json_print(value, len + 5, false, stdout);
  free(value);
}

static void print_text(const char *text) {
  print_json(0xdb, text, strlen(text));
}

static void print_body(const struct herz_event *e) {
  switch (e->kind) {
    case HERZ_BODY_NONE: printf("null"); break;
    case HERZ_BODY_TEXT: print_json(0xdb, e->body, e->body_len); break;
    case HERZ_BODY_BYTES: print_json(0xc6, e->body, e->body_len); break;
    case HERZ_BODY_VALUE: herz_json_print(e->body, e->body_len, false, stdout); break;
  }
}

static void print_position(const struct herz_event *e) {
  printf("{\"topic\":");
  if (e->topic)
    print_text(e->topic);
  else
    printf("null");
  printf(",\"epoch\":%" PRIu64 ",\"offset\":%" PRIu64, e->at.epoch, e->at.offset);
}

static void print_as_json(const struct herz_event *e) {
  print_position(e);
  printf(",\"headers\":{");
  for (uint32_t i = 0; i < e->header_count; i++) {
    if (i > 0) putchar(',');
    print_text(e->headers[i].name);
    putchar(':');
    print_text(e->headers[i].value);
  }
  printf("},\"body\":");
  print_body(e);
  printf("}\n");
}

static void print_event(const struct herz_event *e) {
  if (options.json) {
    print_as_json(e);
    return;
  }
  if (options.include) printf("%s %" PRIu64 " %" PRIu64 " ", e->topic, e->at.epoch, e->at.offset);
  if (e->kind == HERZ_BODY_VALUE && !options.raw)
    herz_json_print(e->body, e->body_len, false, stdout);
  else if (e->body_len)
    fwrite(e->body, 1, e->body_len, stdout);
  if (!options.raw) putchar('\n');
}

static void print_gap(const struct herz_event *e) {
  if (options.json) {
    print_position(e);
    printf(",\"missed\":%" PRIu64 "}\n", e->missed);
    return;
  }
  char number[24];
  snprintf(number, sizeof number, "%" PRIu64, e->missed);
  notice("%s event%s of %s missed", e->missed ? number : "an unknown number of",
         e->missed == 1 ? " was" : "s were", e->topic ? e->topic : "several topics");
}

static void on_event(herz_subscription *s, const struct herz_event *e, void *arg) {
  (void)s, (void)arg;
  bool done = options.count && sub.received >= options.count;
  switch (e->what) {
    case HERZ_EVENT_SUBSCRIBED:
      if (client_options.verbose) notice("* subscribed to %s", e->topic);
      break;
    case HERZ_EVENT_GAP: print_gap(e); break;
    case HERZ_EVENT_REFUSED:
      sub.err = e->err;
      snprintf(sub.text, sizeof sub.text, "%s", e->text);
      client_close(&sub.client);
      break;
    case HERZ_EVENT_MESSAGE:
      if (done) break;
      sub.received++;
      print_event(e);
      done = options.count && sub.received >= options.count;
      if (fflush(stdout) == 0 && !ferror(stdout) && !done) break;
      if (sub.client.cl) client_close(&sub.client);
      break;
  }
}

static void too_late(void *arg) {
  (void)arg;
  sub.late = true;
  client_close(&sub.client);
}

static enum herz_class class_wanted(void) {
  if (!options.delivery || strcmp(options.delivery, "ordered") == 0) return HERZ_ORDERED;
  if (strcmp(options.delivery, "stream") == 0) return HERZ_STREAM;
  return strcmp(options.delivery, "datagram") == 0 ? HERZ_DATAGRAM : HERZ_LATEST;
}

static enum herz_slow slow_wanted(void) {
  if (!options.slow || strcmp(options.slow, "oldest") == 0) return HERZ_DROP_OLDEST;
  if (strcmp(options.slow, "newest") == 0) return HERZ_DROP_NEWEST;
  if (strcmp(options.slow, "latest") == 0) return HERZ_KEEP_LATEST;
  return strcmp(options.slow, "pause") == 0 ? HERZ_PAUSE : HERZ_DISCONNECT;
}

/* --from: a number, or a negative number of seconds. */
static int take_from(struct herz_subscribe_options *o) {
  const char *text = options.from;
  if (!text) return EXIT_OK;
  bool ago = *text == '-';
  char *end;
  errno = 0;
  unsigned long long n = strtoull(text + ago, &end, 10);
  if (text[ago] < '0' || text[ago] > '9' || *end || errno) {
    return fail(EXIT_USAGE, "--from %s: give an offset, or seconds behind a '-'", text);
  }
  o->has_from = !ago;
  o->from = ago ? 0 : n;
  o->ago_ms = ago ? n * 1000 : 0;
  return EXIT_OK;
}

static int subscribe(const char *pattern) {
  struct herz_subscribe_options o = {.pattern = pattern,
                                     .delivery = class_wanted(),
                                     .slow = slow_wanted(),
                                     .credit = UINT32_MAX,
                                     .as = options.as};
  if (take_from(&o) != EXIT_OK) return EXIT_USAGE;
  int err = herz_subscribe(sub.client.cl, &o, on_event, NULL, NULL);
  if (!err && options.wait_ms) err = herz_after(sub.client.app, options.wait_ms, too_late, NULL);
  if (!err) return EXIT_OK;
  const char *why = herz_error(sub.client.app);
  return fail(EXIT_USAGE, "%s", *why ? why : herz_strerror(err));
}

static int finish(void) {
  bool enough = options.count && sub.received >= options.count;
  if (enough) return EXIT_OK;
  if (sub.err) return client_failed(&sub.client, sub.err, sub.text);
  if (sub.late && options.count) {
    return fail(EXIT_TIMEOUT, "%u of %u events came; -W S waits longer", sub.received,
                options.count);
  }
  if (sub.late || (sub.client.connected && !sub.client.closed)) return EXIT_OK;
  return client_failed(&sub.client, 0, NULL);
}

int herz_sub(const struct args *a) {
  sub.client.reconnect = sub.client.patient = options.reconnect || options.resume;
  sub.client.resume = options.resume;
  int code = client_open(&sub.client, a->operands + 1, a->operand_count - 1);
  if (code == EXIT_OK) code = subscribe(a->operands[0]);
  if (code == EXIT_OK) {
    herz_handle_signals(sub.client.app); /* an interrupt is a way to end it */
    herz_loop(sub.client.app);
    code = finish();
  }
  client_free(&sub.client);
  int flushed = flush_stdout();
  return code != EXIT_OK ? code : flushed;
}
