/* `herzd run`: listeners, the block that says what stands, the loop. Not here: configuration
 * (setup.c), routes (demo.c). */
#include <errno.h>
#include <fcntl.h>
#include <herz/web.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "apps/common/exits.h"
#include "apps/common/url.h"
#include "apps/herzd/herzd.h"

struct herzd_bound herzd_bound;

/* Connections are bounded by limits.connections; the shell's default of 1024 files would be met
 * long before that. */
static void raise_file_limit(void) {
  struct rlimit r;
  if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
  }
}

int herzd_listen_url(const char *text) {
  struct url u;
  bool ok = url_split(text, &u);
  bool is_unix = ok && strcmp(u.scheme, "unix") == 0 && u.path[0] == '/';
  bool is_net = ok && (strcmp(u.scheme, "quic") == 0 || strcmp(u.scheme, "tcp") == 0);
  if (is_unix || is_net) return EXIT_OK;
  return fail(EXIT_USAGE,
              "--listen %s: give quic://HOST:PORT, tcp://HOST:PORT or unix:///PATH (without HOST: "
              "every address; PORT: 0 to 65535, without it 4433)",
              text);
}

static int listen_all(herz_app *app) {
  static const char *const defaults[] = {"quic://:4433", "tcp://:4433"};
  const struct args_list *given = &herzd_options.listen;
  const char *const *urls = given->count ? given->items : defaults;
  size_t count = given->count ? given->count : 2;
  for (size_t i = 0; i < count; i++) {
    if (herzd_listen_url(urls[i]) != EXIT_OK) return EXIT_USAGE;
    if (herz_listen(app, urls[i], herzd_bound.urls[i], HERZD_URL_LEN) != 0) {
      return fail(EXIT_USAGE, "cannot listen at %s: %s", urls[i], herz_error(app));
    }
    herzd_bound.count++;
  }
  return EXIT_OK;
}

static int listen_admin(herz_app *app, herz_group *g) {
  char url[300];
  int code = herzd_admin_url(url, sizeof url);
  if (code != EXIT_OK || !url[0]) return code;
  if (herz_group_listen(g, url, herzd_bound.admin, sizeof herzd_bound.admin) == 0) return EXIT_OK;
  return fail(EXIT_USAGE,
              "cannot listen for the admin at %s: %s; --admin takes another place, or off", url,
              herz_error(app));
}

/* "4433" when every address is listened at, else "127.0.0.1:4433". */
static void where(const struct url *u, char *out, size_t len) {
  bool any = !u->host[0] || strcmp(u->host, "0.0.0.0") == 0 || strcmp(u->host, "::") == 0;
  bool six = strchr(u->host, ':') != NULL;
  if (any)
    snprintf(out, len, "%s", u->port);
  else
    snprintf(out, len, "%s%s%s:%s", six ? "[" : "", u->host, six ? "]" : "", u->port);
}

static void print_listener(const char *text) {
  static const char sniffed[] = "frames · http · websocket, plain or tls, by the first bytes";
  struct url u;
  char place[300], line[320];
  if (!url_split(text, &u)) return;
  if (strcmp(u.scheme, "unix") == 0) {
    printf("  %-10s %s   frames · http · websocket\n", "unix", u.path);
    return;
  }
  where(&u, place, sizeof place);
  bool quic = strcmp(u.scheme, "quic") == 0;
  snprintf(line, sizeof line, "%s %s", quic ? "udp" : "tcp", place);
  printf("  %-10s %s\n", line, quic ? "quic (herz/1) · http/3 · webtransport" : sniffed);
}

static void print_try(void) {
  const char *best = NULL;
  for (size_t i = 0; i < herzd_bound.count; i++) {
    if (!best ||
        (strncmp(herzd_bound.urls[i], "quic:", 5) == 0 && strncmp(best, "quic:", 5) != 0)) {
      best = herzd_bound.urls[i];
    }
  }
  struct url u;
  if (!best || !url_split(best, &u)) return;
  if (strcmp(u.scheme, "unix") == 0) {
    printf("  %-10s herz req unix://%s:/users/42\n", "try", u.path);
    return;
  }
  char place[300];
  where(&u, place, sizeof place);
  bool bare = strchr(place, ':') == NULL;
  printf("  %-10s herz req %s://%s%s/users/42\n", "try", u.scheme, bare ? "localhost:" : "", place);
}

/* The page is at every way in that a browser knows; one is enough to be shown. */
static void print_console(void) {
  struct url u;
  if (!herzd_options.dev) return;
  for (size_t i = 0; i < herzd_bound.count; i++) {
    char place[300];
    if (!url_split(herzd_bound.urls[i], &u) || strcmp(u.scheme, "tcp") != 0) continue;
    where(&u, place, sizeof place);
    printf("  %-10s http://%s%s/\n", "console", strchr(place, ':') ? "" : "localhost:", place);
    return;
  }
}

static void print_block(const struct herzd_cert *cert) {
  printf("herzd %s  %s (herzd config defaults)\n", herz_version(),
         herzd_options.dev ? "dev mode, built-in configuration" : "files, built-in configuration");
  for (size_t i = 0; i < herzd_bound.count; i++) {
    print_listener(herzd_bound.urls[i]);
  }
  if (herzd_bound.admin[0]) {
    printf("  %-10s %s   /metrics /healthz /readyz /conns /topics\n", "admin", herzd_bound.admin);
  }
  herzd_files_print();
  print_console();
  if (cert->dev) {
    printf("  %-10s P-256, %d days, sha256 %s\n", "cert", cert->days_left, cert->sha256);
  } else {
    printf("  %-10s %s\n", "cert", herzd_options.cert);
  }
  if (herzd_options.dev) print_try();
  uint64_t ms = (herzd_now_ns() - herzd_started_ns + 999999u) / 1000000u;
  printf("ready in %llu ms\n", (unsigned long long)ms);
  fflush(stdout);
}

/* One write() for the whole text: whoever waits on the file never sees half of it. */
static int write_ready_file(void) {
  const char *name = herzd_options.ready_file;
  if (!name) return EXIT_OK;
  static char text[(ARGS_LIST_MAX + 1) * (HERZD_URL_LEN + 1)];
  size_t len = 0;
  for (size_t i = 0; i < herzd_bound.count; i++) {
    len += (size_t)snprintf(text + len, sizeof text - len, "%s\n", herzd_bound.urls[i]);
  }
  if (herzd_bound.admin[0])
    len += (size_t)snprintf(text + len, sizeof text - len, "%s\n", herzd_bound.admin);
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;
  int err = errno;
  if (fd >= 0) close(fd);
  if (ok) return EXIT_OK;
  return fail(EXIT_USAGE, "--ready-file %s: %s; give a file or FIFO that can be written", name,
              strerror(err));
}

static int serve(herz_app *app, herz_group *admin, const struct herzd_cert *cert) {
  int code = listen_all(app);
  if (code == EXIT_OK) code = listen_admin(app, admin);
  if (code != EXIT_OK) return code;
  int err = herz_handle_signals(app);
  if (err) return fail(EXIT_USAGE, "cannot handle signals: %s", herz_error(app));
  print_block(cert);
  code = write_ready_file();
  if (code != EXIT_OK) return code;
  err = herz_loop(app);
  if (err) return fail(EXIT_PROTOCOL, "the loop ended: %s", herz_error(app));
  return EXIT_OK;
}

/* A late signal must not turn the end that an earlier one asked for into death by signal: from here
 * on the app's handlers go. */
static void end_of_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, NULL);
}

int herzd_run(const struct args *a) {
  (void)a;
  if (!herzd_options.dev && herzd_options.files.count == 0) {
    return fail(EXIT_USAGE, "nothing to serve: routes of a service come from a configuration file, "
                            "which this version does not read yet; start herzd --dev, or "
                            "herzd --files DIR");
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN); /* whoever sends it wants a reload, not an end */
  raise_file_limit();
  herz_app *app = herzd_app();
  if (!app) return EXIT_USAGE;
  struct herzd_cert cert;
  struct demo *demo = NULL;
  struct console *console = NULL;
  int code = herzd_certificate(app, &cert);
  if (code == EXIT_OK) {
    console = herzd_console(app, &cert);
    demo = console && herzd_options.dev ? herzd_demo(app, console) : NULL;
    bool routes = console && (demo || !herzd_options.dev) && herzd_files(app) == EXIT_OK;
    herz_group *admin = routes ? herzd_admin(app, console) : NULL;
    code = admin ? serve(app, admin, &cert) : EXIT_USAGE;
  }
  end_of_signals();
  herzd_demo_end(demo);
  herz_app_free(app);
  herzd_demo_free(demo);
  herzd_console_free(console);
  if (cert.temporary) dev_files_remove(&cert.files);
  return code;
}
