/* herz, the client: its commands. Not here: what they do. */
#include <signal.h>
#include <string.h>

#include "apps/common/exits.h"
#include "apps/herz/commands.h"

#define URLS_MAX 8 /* of herz_dial() */

static const struct args_program herz;

static bool show_build;
static const struct args_option version_flags[] = {
    {ARGS_FLAG, 0, "build", NULL, "also every library, with its version", &show_build, 0}, {0}};

static int show_version(const struct args *a) {
  (void)a;
  printf("herz %s\n", herz_version());
  int err = show_build ? herz_version_details(stdout) : 0;
  int code = flush_stdout();
  if (err) return fail(EXIT_USAGE, "a library is older than its security floor: see above");
  return code;
}

static int completion(const struct args *a) {
  if (strcmp(a->operands[0], "bash") != 0) {
    return fail(EXIT_USAGE, "completion %s: give bash, the one shell there is", a->operands[0]);
  }
  args_completion(&herz, stdout);
  return flush_stdout();
}

static int man_page(const struct args *a) {
  (void)a;
  args_man(&herz, stdout);
  return flush_stdout();
}

static const struct args_command commands[] = {
    {.name = "req",
     .operands = "URL...",
     .summary = "Makes one call and prints the answer's body.",
     .notes = req_notes,
     .options = req_flags,
     .common = client_flags,
     .operands_min = 1,
     .operands_max = URLS_MAX,
     .run = herz_req},
    {.name = "ping",
     .operands = "URL",
     .summary = "Measures round trips on one connection.",
     .notes = URL_NOTES,
     .options = ping_flags,
     .common = client_flags,
     .operands_min = 1,
     .operands_max = 1,
     .run = herz_ping_command},
    {.name = "pub",
     .operands = "TOPIC DATA [URL...]",
     .summary = "Publishes to a topic.",
     .notes = pub_notes,
     .options = pub_flags,
     .common = client_flags,
     .operands_min = 2,
     .operands_max = 2 + URLS_MAX,
     .run = herz_pub},
    {.name = "sub",
     .operands = "PATTERN [URL...]",
     .summary = "Prints what is published to the topics of a pattern.",
     .notes = sub_notes,
     .options = sub_flags,
     .common = client_flags,
     .operands_min = 1,
     .operands_max = 1 + URLS_MAX,
     .run = herz_sub},
    {.name = "bench",
     .operands = "req|pub|sub|connect URL",
     .summary = "Generates load and measures what comes of it.",
     .notes = bench_notes,
     .words = "req pub sub connect",
     .options = bench_flags,
     .common = client_flags,
     .operands_min = 2,
     .operands_max = 2,
     .run = herz_bench},
    {.name = "decode",
     .operands = "FILE|-",
     .summary = "Shows frames as text, one line each.",
     .operands_min = 1,
     .operands_max = 1,
     .run = herz_decode_command},
    {.name = "completion",
     .operands = "bash",
     .summary = "Prints a completion script: source <(herz completion bash)",
     .words = "bash",
     .operands_min = 1,
     .operands_max = 1,
     .run = completion},
    {.name = "man", .summary = "Prints the manual page: herz man | man -l -", .run = man_page},
    {.name = "version",
     .summary = "Prints the version.",
     .options = version_flags,
     .run = show_version},
    {.name = "top",
     .operands = "ADMIN",
     .summary = "Watches a service.",
     .later = "the admin page that it reads comes later"},
    {.name = NULL}};

static const struct args_program herz = {.name = "herz",
                                         .summary = "calls handlers over QUIC, WebSocket, TCP, TLS",
                                         .commands = commands};

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error with a sentence, not an end without one */
  return args_main(&herz, argc, argv);
}
