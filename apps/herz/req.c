/* `herz req`: one call, its answer on standard output, everything else on stderr. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "apps/common/exits.h"
#include "apps/common/out.h"
#include "apps/herz/body.h"
#include "apps/herz/commands.h"
#include "apps/herz/format.h"
#include "apps/herz/headers.h"
#include "apps/herz/progress.h"

#define VALUE_MAX ((size_t)64 << 20)

static struct {
  const char *method, *data, *write_out, *output;
  struct args_list headers;
  bool include, fail, raw, json, rebind, resume;
} options;

const struct args_option req_flags[] = {
    {ARGS_TEXT, 'X', "method", "METHOD", "GET, or with -d POST, unless this says otherwise",
     &options.method, 0},
    {ARGS_FILE, 'd', "data", "DATA|@FILE",
     "the request's body: this text, a file that is read as it leaves, or @- for standard input",
     &options.data, 0},
    {ARGS_FLAG, 0, "json", NULL, "DATA is JSON text: sent as a msgpack value (else bytes)",
     &options.json, 0},
    {ARGS_LIST, 'H', "header", "K:V", "a header of the request; repeatable", &options.headers, 0},
    {ARGS_FLAG, 'i', "include", NULL,
     "print the status and headers of the answer before its body, trailers behind it",
     &options.include, 0},
    {ARGS_FLAG, 'f', "fail", NULL, "exit 1 when the answer's status is 400 or above", &options.fail,
     0},
    {ARGS_FILE, 'o', "output", "FILE", "write the body there", &options.output, 0},
    {ARGS_FLAG, 0, "raw", NULL,
     "the body's bytes as they come, also of a msgpack value (else JSON)", &options.raw, 0},
    {ARGS_TEXT, 'w', "write-out", "FORMAT",
     "print this at the end; %{name} is replaced, \\n and \\t too", &options.write_out, 0},
    {ARGS_FLAG, 0, "rebind", NULL, "QUIC: move to another local port when the answer begins",
     &options.rebind, 0},
    {ARGS_FLAG, 0, "resume", NULL,
     "when the connection goes, go on over another: the call is done once, and its answer given",
     &options.resume, 0},
    {0}};

const char req_notes[] =
    "-w knows %{status} %{method} %{url} %{transport} %{address} %{tls} %{early} %{size}\n"
    "%{size_upload} %{time_connect} %{time_first} %{time_total} %{rate}.\n\n" SEVERAL_NOTES
        URL_NOTES;

static struct {
  struct client client;
  herz_call_handle *call;
  struct out out;
  struct body body;
  struct progress progress;
  struct call_facts facts;
  bool head_seen, done, whole; /* whole: a value, kept until it is here */
  int err;
  char text[256];
  char *value;
  size_t value_len, value_cap;
  bool too_large;
  struct headers headers;
  char *trailers; /* as -i shows them; NULL: none */
} req;

static void out_text(const char *text) {
  out_write(&req.out, text, strlen(text));
}

/* Not before the answer begins: only a confirmed handshake may move, and it is by then. */
static void rebind(void) {
  int err = herz_client_rebind(req.client.cl);
  if (err)
    notice("--rebind: %s", herz_strerror(err));
  else if (client_options.verbose)
    notice("* moved to another local port");
}

static void take_head(const struct herz_response *r) {
  if (req.head_seen || r->status == 0) return;
  req.head_seen = true;
  if (options.rebind && req.client.cl) rebind();
  out_begin(&req.out);
  req.facts.status = r->status;
  req.facts.first_ns = client_now_ns() - req.client.start_ns;
  req.whole = r->kind == HERZ_BODY_VALUE && !options.raw;
  char line[32];
  snprintf(line, sizeof line, "%d ", r->status);
  if (client_options.verbose) notice("< %s%s", line, herz_status_text(r->status));
  if (options.include) {
    out_text(line);
    out_text(herz_status_text(r->status));
    out_text("\n");
  }
  for (uint32_t i = 0; i < r->header_count; i++) {
    const struct herz_header *h = &r->headers[i];
    if (strcasecmp(h->name, "content-length") == 0) {
      req.progress.expected = strtoull(h->value, NULL, 10);
    }
    if (client_options.verbose) notice("< %s: %s", h->name, h->value);
    if (!options.include) continue;
    out_text(h->name);
    out_text(": ");
    out_text(h->value);
    out_text("\n");
  }
  if (options.include) out_text("\n");
}

static bool keep(const void *data, size_t len) {
  if (len > VALUE_MAX - req.value_len) {
    req.too_large = true;
    return false;
  }
  size_t need = req.value_len + len;
  if (need > req.value_cap) {
    size_t cap = need < 4096 ? 4096 : need * 2;
    char *more = realloc(req.value, cap);
    if (!more) return false;
    req.value = more;
    req.value_cap = cap;
  }
  if (len) memcpy(req.value + req.value_len, data, len);
  req.value_len = need;
  return true;
}

static bool take_data(herz_call_handle *call, const struct herz_response *head, const void *data,
                      size_t len, void *arg) {
  (void)arg;
  if (head) take_head(head);
  if (len == 0) return true;
  req.facts.size += len;
  bool ok = req.whole ? keep(data, len) : out_write(&req.out, data, len);
  if (!ok) herz_call_cancel(call);
  progress_show(&req.progress, req.facts.size, req.body.size, client_now_ns());
  return true;
}

/* Called whenever there is room for more of the request. */
static long give_data(void *arg, void *dst, size_t cap) {
  (void)arg;
  long n = body_read(&req.body, dst, cap);
  progress_show(&req.progress, req.facts.size, req.body.size, client_now_ns());
  return n;
}

/* Kept until the body is out: they stood behind it. */
static void take_trailers(const struct herz_response *r) {
  for (uint32_t i = 0; client_options.verbose && i < r->trailer_count; i++) {
    notice("< %s: %s", r->trailers[i].name, r->trailers[i].value);
  }
  size_t len = 0;
  FILE *memory =
      options.include && r->trailer_count > 0 ? open_memstream(&req.trailers, &len) : NULL;
  if (!memory) return;
  for (uint32_t i = 0; i < r->trailer_count; i++) {
    fprintf(memory, "%s: %s\n", r->trailers[i].name, r->trailers[i].value);
  }
  fclose(memory);
}

static void print_trailers(void) {
  if (!req.trailers) return;
  out_text(req.out.last && req.out.last != '\n' ? "\n\n" : "\n");
  out_text(req.trailers);
}

static void take_end(const struct herz_response *r, void *arg) {
  (void)arg;
  req.done = true;
  req.err = r->err;
  req.facts.early = r->early;
  req.facts.total_ns = client_now_ns() - req.client.start_ns;
  snprintf(req.text, sizeof req.text, "%s", r->text ? r->text : "");
  take_head(r);
  take_trailers(r);
  if (r->body_len > 0 && req.facts.size == 0) {
    take_data(req.call, NULL, r->body, r->body_len, NULL);
  }
  client_close(&req.client);
}

static int start_call(struct herz_request *rq) {
  rq->method = options.method ? options.method : options.data ? "POST" : "GET";
  rq->timeout_ms = client_options.timeout_ms;
  rq->on_data = take_data;
  if (body_follows(&req.body)) rq->source = give_data;
  if (client_options.verbose) notice("> %s %s", rq->method, req.client.url);
  int code = headers_make(&req.headers, &options.headers);
  rq->headers = req.headers.items;
  rq->header_count = req.headers.count;
  for (uint32_t i = 0; i < rq->header_count && client_options.verbose; i++) {
    notice("> %s: %s", rq->headers[i].name, rq->headers[i].value);
  }
  if (code == EXIT_OK) {
    req.facts.method = rq->method;
    int err = herz_call(req.client.cl, rq, take_end, NULL, &req.call);
    if (err) code = fail(EXIT_USAGE, "%s: %s", req.client.url, herz_error(req.client.app));
  }
  headers_free(&req.headers);
  return code;
}

static int print_value(void) {
  char *json = NULL;
  size_t len = 0;
  FILE *memory = open_memstream(&json, &len);
  if (!memory) return fail(EXIT_USAGE, "memory is short");
  int err = herz_json_print(req.value, req.value_len, false, memory);
  fclose(memory);
  if (!err && out_write(&req.out, json, len)) out_text("\n");
  free(json);
  if (err) {
    return fail(EXIT_PROTOCOL, "the answer is no well-formed msgpack: %s; --raw shows its bytes",
                herz_strerror(err));
  }
  return EXIT_OK;
}

static int finish(void) {
  if (req.out.err) return EXIT_OK; /* said by out_close() */
  if (req.too_large) {
    return fail(EXIT_USAGE, "the answer is a value of more than 64 MiB; take it with --raw");
  }
  if (req.body.err) return fail(EXIT_USAGE, "%s: %s", req.body.name, strerror(req.body.err));
  if (!req.done || req.err) {
    int code = client_failed(&req.client, req.err, req.text);
    if (req.facts.size) notice("%" PRIu64 " bytes of the body had come", req.facts.size);
    return code;
  }
  int code = req.whole ? print_value() : EXIT_OK;
  if (code != EXIT_OK) return code;
  print_trailers();
  if (req.out.terminal && req.out.last && req.out.last != '\n') out_text("\n");
  if (options.fail && req.facts.status >= 400) {
    return fail(EXIT_STATUS, "%s answered %d %s", req.client.url, req.facts.status,
                herz_status_text(req.facts.status));
  }
  return EXIT_OK;
}

static void write_out(void) {
  req.facts.url = req.client.url;
  req.facts.transport = req.client.transport;
  req.facts.address = req.client.address;
  req.facts.tls = req.client.peer.tls;
  req.facts.size_upload = req.body.size;
  if (req.client.connected) req.facts.connect_ns = req.client.connected_ns - req.client.start_ns;
  if (!req.facts.total_ns) req.facts.total_ns = client_now_ns() - req.client.start_ns;
  char *text = NULL;
  size_t len = 0;
  FILE *memory = open_memstream(&text, &len);
  if (!memory) return;
  format_print(options.write_out, &req.facts, memory);
  fclose(memory);
  struct out out;
  if (out_open(&out, NULL)) out_write(&out, text, len);
  out_close(&out);
  free(text);
}

int herz_req(const struct args *a) {
  struct herz_request rq = {0};
  if (options.write_out && !format_check(options.write_out)) return EXIT_USAGE;
  int code = body_open(&req.body, options.data, options.json, &rq);
  if (code != EXIT_OK || !out_open(&req.out, options.output)) {
    body_close(&req.body);
    return EXIT_USAGE;
  }
  req.client.resume = options.resume;
  code = client_open(&req.client, a->operands, a->operand_count);
  bool wanted = !client_options.quiet && !(req.out.terminal && !options.output);
  progress_start(&req.progress, wanted, client_now_ns());
  if (code == EXIT_OK) code = start_call(&rq);
  if (code == EXIT_OK) {
    herz_loop(req.client.app);
    progress_end(&req.progress);
    code = finish();
    if (options.write_out) write_out();
  }
  client_free(&req.client);
  body_close(&req.body);
  free(req.value);
  free(req.trailers);
  int closed = out_close(&req.out);
  return code != EXIT_OK ? code : closed;
}
