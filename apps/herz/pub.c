/* `herz pub`: publishes one event, or one a line, and waits until the service has them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <herz/hub.h>

#include "apps/common/exits.h"
#include "apps/herz/body.h"
#include "apps/herz/commands.h"
#include "apps/herz/headers.h"

/* Events on their way at a time. */
#define IN_FLIGHT 256u

static struct {
  struct args_list headers;
  bool json, lines, include, resume;
} options;

const struct args_option pub_flags[] = {
    {ARGS_FLAG, 0, "json", NULL, "DATA is JSON text: sent as a msgpack value (else text)",
     &options.json, 0},
    {ARGS_FLAG, 'l', "lines", NULL, "each line of DATA is an event", &options.lines, 0},
    {ARGS_LIST, 'H', "header", "K:V", "a header of the event; repeatable", &options.headers, 0},
    {ARGS_FLAG, 'i', "include", NULL, "print where each event stands: epoch and offset",
     &options.include, 0},
    {ARGS_FLAG, 0, "resume", NULL,
     "when the connection goes, go on over another: no event is lost, none published twice",
     &options.resume, 0},
    {0}};

const char pub_notes[] = "DATA is text, a file (@FILE), or standard input (@-). Without URL that "
                         "of HERZ_URL is used.\n\n" SEVERAL_NOTES URL_NOTES;

static struct {
  struct client client;
  struct headers headers;
  struct body body;
  const char *topic;
  char *all; /* of a file */
  const char *data;
  size_t len, at; /* at: what has been published */
  enum herz_body_kind kind;
  uint32_t in_flight;
  uintptr_t line, missing_line; /* the last that left; the first that the service may not have */
  uint64_t missing;
  bool finished; /* all has been given to the client */
  int err;
  char text[160];
} pub;

static void go_on(void);

static void done(int err, const char *text, struct herz_position at, void *arg) {
  uintptr_t line = (uintptr_t)arg;
  pub.in_flight--;
  if (err && (pub.missing++ == 0 || line < pub.missing_line)) pub.missing_line = line;
  if (err && !pub.err) {
    pub.err = err;
    snprintf(pub.text, sizeof pub.text, "%s", text ? text : "");
  }
  if (!err && options.include) printf("%" PRIu64 " %" PRIu64 "\n", at.epoch, at.offset);
  if (!pub.err) go_on();
  if (pub.in_flight == 0 && pub.client.cl) client_close(&pub.client);
}

static int publish(const char *data, size_t len) {
  struct herz_message m = {.topic = pub.topic,
                           .headers = pub.headers.items,
                           .header_count = pub.headers.count,
                           .kind = pub.kind,
                           .body = data,
                           .body_len = len};
  void *line = (void *)(pub.line + 1);
  int err = herz_client_publish(pub.client.cl, &m, done, line);
  if (err == HERZ_EINVAL && m.kind == HERZ_BODY_TEXT) { /* no UTF-8 */
    m.kind = HERZ_BODY_BYTES;
    err = herz_client_publish(pub.client.cl, &m, done, line);
  }
  if (err) return err;
  pub.in_flight++;
  pub.line++;
  return err;
}

/* The next line, or all of it. */
static size_t piece(void) {
  const char *end = options.lines ? memchr(pub.data + pub.at, '\n', pub.len - pub.at) : NULL;
  return end ? (size_t)(end - (pub.data + pub.at)) : pub.len - pub.at;
}

static void go_on(void) {
  while (!pub.finished && pub.in_flight < IN_FLIGHT && pub.client.cl) {
    size_t len = piece();
    int err = publish(pub.data + pub.at, len);
    if (err == HERZ_EAGAIN) return;
    if (err) {
      pub.err = err;
      pub.finished = true;
      snprintf(pub.text, sizeof pub.text, "%s",
               err == HERZ_EINVAL ? herz_error(pub.client.app) : herz_strerror(err));
      return;
    }
    pub.at += len + (pub.at + len < pub.len);
    pub.finished = pub.at >= pub.len;
  }
}

static int take_data(const char *text) {
  struct herz_request rq = {0};
  int code = body_open(&pub.body, text, options.json, &rq);
  if (code != EXIT_OK) return code;
  pub.kind = options.json ? HERZ_BODY_VALUE : HERZ_BODY_TEXT;
  pub.data = rq.body;
  pub.len = rq.body_len;
  if (options.json && options.lines) {
    return fail(EXIT_USAGE, "--json --lines: give one of them");
  }
  if (!body_follows(&pub.body)) return EXIT_OK;
  pub.data = pub.all = body_read_all(&pub.body, &pub.len);
  return pub.all ? EXIT_OK : EXIT_USAGE;
}

/* Which lines the service has, as far as one can know. */
static void tell_missing(void) {
  if (!options.lines || pub.missing == 0) return;
  notice("%" PRIu64
         " line%s from line %ju on may be missing, what stands behind line %ju was not sent",
         pub.missing, pub.missing == 1 ? "" : "s", (uintmax_t)pub.missing_line,
         (uintmax_t)pub.line);
}

static int finish(void) {
  tell_missing();
  if (!pub.err && pub.finished && pub.in_flight == 0) return EXIT_OK;
  if (pub.err == HERZ_EINVAL) return fail(EXIT_USAGE, "%s", pub.text);
  return client_failed(&pub.client, pub.err, pub.text);
}

int herz_pub(const struct args *a) {
  pub.topic = a->operands[0];
  int code = take_data(a->operands[1]);
  if (code == EXIT_OK) code = headers_make(&pub.headers, &options.headers);
  pub.client.resume = options.resume;
  if (code == EXIT_OK) code = client_open(&pub.client, a->operands + 2, a->operand_count - 2);
  if (code == EXIT_OK) {
    go_on();
    if (pub.in_flight > 0) herz_loop(pub.client.app);
    code = finish();
  }
  client_free(&pub.client);
  headers_free(&pub.headers);
  body_close(&pub.body);
  free(pub.all);
  int flushed = flush_stdout();
  return code != EXIT_OK ? code : flushed;
}
