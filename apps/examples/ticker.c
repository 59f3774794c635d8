/* Answers that are not there at once: a stream made as it leaves, an answer deferred to a timer, a
 * request body taken as it comes.
 *   herz req tcp://localhost:4434/countdown/5
 *   herz req -d @FILE tcp://localhost:4434/count */
#include <stdio.h>
#include <stdlib.h>

#include <herz/herz.h>

/* GET /countdown/:n, a line a number: `read` is called whenever there is room for more. */
static long read_countdown(void *arg, void *dst, size_t cap) {
  long *left = arg;
  if (*left < 0) return 0;
  int n = snprintf(dst, cap, "%ld\n", (*left)--);
  return n < 0 || (size_t)n >= cap ? -1 : n;
}

static void countdown(herz_ctx *c) {
  long *left = herz_alloc(c, sizeof *left);
  HERZ_ENSURE(c, left != NULL);
  *left = strtol(herz_param(c, "n"), NULL, 10);
  herz_reply_stream(c, HERZ_OK, "text/plain", read_countdown, left);
}

/* GET /later: the handler returns at once, the answer follows by a timer. */
static void answer_later(void *arg) {
  herz_complete(arg, HERZ_OK, "text/plain", "here it is\n", 11);
}

static void later(herz_ctx *c) {
  herz_deferred *answer = herz_defer(c);
  HERZ_ENSURE(c, answer != NULL);
  if (herz_after(herz_arg(c), 500, answer_later, answer) != 0) answer_later(answer);
}

/* POST /count: bytes are counted as they come and never collected. */
static bool count_piece(herz_ctx *c, const void *data, size_t len, bool fin, void *arg) {
  (void)data;
  uint64_t *sum = arg;
  *sum += len;
  if (fin) herz_reply(c, HERZ_OK, herz_map(c, "bytes", herz_uint(c, *sum)));
  return true;
}

static void count(herz_ctx *c) {
  uint64_t *sum = herz_alloc(c, sizeof *sum);
  HERZ_ENSURE(c, sum != NULL);
  *sum = 0;
  herz_on_body(c, count_piece, sum);
}

int main(void) {
  herz_app *app = herz_app_new(NULL);
  if (!app) return 2;
  herz_use(app, herz_logger);
  herz_get(app, "/countdown/:n", countdown);
  herz_route(app, "GET", "/later", later, app);
  herz_route_stream(app, "POST", "/count", count, NULL);
  int code = herz_run(app, "tcp://:4434", NULL);
  herz_app_free(app);
  return code;
}
