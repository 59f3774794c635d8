/* herzd, the daemon: its commands and flags. Not here: what they do. */
#include <string.h>
#include <time.h>

#include "apps/common/exits.h"
#include "apps/herzd/herzd.h"

struct herzd_options herzd_options;
uint64_t herzd_started_ns;

uint64_t herzd_now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const struct args_option service_flags[] = {
    {ARGS_FLAG, 0, "dev", NULL,
     "built-in configuration: a certificate made on the spot, demo routes, port 4433",
     &herzd_options.dev, 0},
    {ARGS_LIST, 0, "listen", "URL",
     "listen at quic://HOST:PORT, tcp://HOST:PORT or unix:///PATH; repeatable, replaces the "
     "default "
     "listeners; port 0: any free one",
     &herzd_options.listen, 0},
    {ARGS_LIST, 0, "files", "[PATH=]DIR",
     "serve the files in DIR below PATH (without: /); repeatable, with --dev or alone; keys "
     "files.*",
     &herzd_options.files, 0},
    {ARGS_FILE, 0, "cert", "FILE", "certificate chain, PEM; with --key", &herzd_options.cert, 0},
    {ARGS_FILE, 0, "key", "FILE", "private key of --cert, PEM", &herzd_options.key, 0},
    {ARGS_FILE, 0, "client-ca", "FILE",
     "ask every TLS client for a certificate that these sign (mutual TLS)",
     &herzd_options.client_ca, 0},
    {ARGS_CHOICE, 0, "log-format", "text|json", "how log lines look", &herzd_options.log_format, 0},
    {ARGS_CHOICE, 0, "log-level", "debug|info|warn|error|off", "the least that is logged",
     &herzd_options.log_level, 0},
    {ARGS_DIR, 0, "qlog-dir", "DIR", "one qlog file a QUIC connection goes there",
     &herzd_options.qlog_dir, 0},
    {ARGS_LIST, 0, "set", "KEY=VALUE",
     "set a configuration key; repeatable (herzd config defaults lists them)", &herzd_options.set,
     0},
    {ARGS_TEXT, 0, "workers", "N", "threads that serve, or auto (default): one a core",
     &herzd_options.workers, 0},
    {ARGS_TEXT, 0, "admin", "HOST:PORT",
     "metrics and health at tcp://HOST:PORT, or off; 127.0.0.1:9464 unless there is --listen",
     &herzd_options.admin, 0},
    {ARGS_FILE, 0, "ready-file", "FILE",
     "write the bound URLs there, one a line, once all listen (a FIFO does as well)",
     &herzd_options.ready_file, 0},
    {ARGS_LATER, 'c', "config", "FILE",
     "configuration files come later; use --set KEY=VALUE and the other flags", NULL, 0},
    {0}};

static const struct args_option version_flags[] = {
    {ARGS_FLAG, 0, "build", NULL, "also every library, with its version", &herzd_options.build, 0},
    {0}};

static int show_version(const struct args *a) {
  (void)a;
  printf("herzd %s\n", herz_version());
  int err = herzd_options.build ? herz_version_details(stdout) : 0;
  int code = flush_stdout();
  if (err) return fail(EXIT_USAGE, "a library is older than its security floor: see above");
  return code;
}

static const struct args_program herzd;

static int completion(const struct args *a) {
  if (strcmp(a->operands[0], "bash") != 0) {
    return fail(EXIT_USAGE, "completion %s: give bash, the one shell there is", a->operands[0]);
  }
  args_completion(&herzd, stdout);
  return flush_stdout();
}

static int man_page(const struct args *a) {
  (void)a;
  args_man(&herzd, stdout);
  return flush_stdout();
}

static const struct args_command commands[] = {
    {.name = "run",
     .summary = "Serves until SIGTERM or SIGINT, which let calls finish first.",
     .notes = "SIGTERM, SIGINT  stop accepting, let calls finish (key drain_ms), exit 0; again: at "
              "once\n"
              "SIGHUP           ignored: certificates are read at start\n\n"
              "Try: herzd run --dev, then herz req quic://localhost:4433/users/42\n",
     .common = service_flags,
     .run = herzd_run},
    {.name = "check",
     .summary = "Checks flags, keys and certificate of the same command line; serves nothing.",
     .common = service_flags,
     .run = herzd_check},
    {.name = "config",
     .operands = "defaults|dump",
     .summary = "Prints every configuration key: its default, or its value with the flags given.",
     .words = "defaults dump",
     .common = service_flags,
     .operands_min = 1,
     .operands_max = 1,
     .run = herzd_config},
    {.name = "cert",
     .operands = "show|renew",
     .summary = "Shows the development certificate, or makes a new one (restart herzd then).",
     .words = "show renew",
     .operands_min = 1,
     .operands_max = 1,
     .run = herzd_cert},
    {.name = "version",
     .summary = "Prints the version.",
     .options = version_flags,
     .run = show_version},
    {.name = "completion",
     .operands = "bash",
     .summary = "Prints a completion script: source <(herzd completion bash)",
     .words = "bash",
     .operands_min = 1,
     .operands_max = 1,
     .run = completion},
    {.name = "man", .summary = "Prints the manual page: herzd man | man -l -", .run = man_page},
    {.name = NULL}};

static const struct args_program herzd = {.name = "herzd",
                                          .summary = "the daemon of Herz: one handler over QUIC, "
                                                     "WebSocket, TCP and TLS",
                                          .commands = commands,
                                          .fallback = "run"};

int main(int argc, char **argv) {
  herzd_started_ns = herzd_now_ns();
  return args_main(&herzd, argc, argv);
}
