/* The connection behind a command: see client.h. */
#include "apps/herz/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apps/common/exits.h"
#include "apps/common/paths.h"
#include "apps/common/url.h"

struct client_options client_options;

const struct args_option client_flags[] = {
    {ARGS_MILLIS, 0, "timeout", "S", "give up after so many seconds", &client_options.timeout_ms,
     86400},
    {ARGS_FILE, 0, "cacert", "FILE", "trust the certificates in FILE (PEM) instead of the system's",
     &client_options.cacert, 0},
    {ARGS_FILE, 0, "cert", "FILE", "show this certificate (PEM); with --key", &client_options.cert,
     0},
    {ARGS_FILE, 0, "key", "FILE", "private key of --cert (PEM)", &client_options.key, 0},
    {ARGS_FLAG, 'k', "insecure", NULL, "do not check the server's certificate",
     &client_options.insecure, 0},
    {ARGS_FILE, 0, "session-file", "FILE",
     "keep session tickets there: the next run resumes, and may send early data",
     &client_options.session_file, 0},
    {ARGS_FLAG, 0, "no-early-data", NULL, "never send before the handshake is done (0-RTT)",
     &client_options.no_early_data, 0},
    {ARGS_DIR, 0, "qlog-dir", "DIR", "one qlog file a QUIC connection goes there",
     &client_options.qlog_dir, 0},
    {ARGS_FLAG, 'v', "verbose", NULL, "tell on stderr what happens", &client_options.verbose, 0},
    {ARGS_FLAG, 'q', "quiet", NULL, "nothing on stderr: the exit code tells", &client_options.quiet,
     0},
    {0}};

uint64_t client_now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool set(herz_app *app, const char *flag, const char *key, const char *value) {
  if (!value || herz_set(app, key, value) == 0) return true;
  fail(EXIT_USAGE, "%s %s: %s", flag, value, herz_error(app));
  return false;
}

static bool readable(const char *flag, const char *file) {
  if (!file || access(file, R_OK) == 0) return true;
  fail(EXIT_USAGE, "%s %s: %s; give a PEM file that can be read", flag, file, strerror(errno));
  return false;
}

/* A file that will be written later, when nobody could say any more that it cannot be. */
static bool writable(const char *flag, const char *file) {
  if (!file) return true;
  int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) {
    close(fd);
    return true;
  }
  fail(EXIT_USAGE, "%s %s: %s; name a file that can be written", flag, file, strerror(errno));
  return false;
}

static bool all_local(char *urls) {
  struct url u;
  char *rest = NULL;
  for (char *one = strtok_r(urls, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) {
    if (!url_split(one, &u) || !url_is_local(&u)) return false;
  }
  return true;
}

/* The development certificate is trusted for the names it has, and only when there is one: every
 * other host is checked against the system's authorities. */
static const char *trust_file(const char *urls) {
  static struct dev_files f;
  if (client_options.cacert) return client_options.cacert;
  char *copy = strdup(urls);
  bool local = copy && all_local(copy);
  free(copy);
  if (!local || !dev_files_find(&f)) return NULL;
  return access(f.cert, R_OK) == 0 ? f.cert : NULL;
}

static bool apply_flags(herz_app *app, const char *url) {
  const struct client_options *o = &client_options;
  if (!o->cert != !o->key) {
    fail(EXIT_USAGE, "%s %s: give %s as well", o->cert ? "--cert" : "--key",
         o->cert ? o->cert : o->key, o->cert ? "--key" : "--cert");
    return false;
  }
  const char *keylog = getenv("SSLKEYLOGFILE");
  if (keylog && !*keylog) keylog = NULL;
  if (!readable("--cacert", o->cacert) || !readable("--cert", o->cert) ||
      !readable("--key", o->key) || !writable("--session-file", o->session_file) ||
      !writable("SSLKEYLOGFILE", keylog)) {
    return false;
  }
  if (o->qlog_dir && access(o->qlog_dir, W_OK | X_OK) != 0) {
    fail(EXIT_USAGE, "--qlog-dir %s: %s; give a directory that can be written", o->qlog_dir,
         strerror(errno));
    return false;
  }
  /* How long an answer may take is the server's affair, unless --timeout says otherwise. */
  return set(app, "calls", "limits.call_timeout_ms", o->timeout_ms ? NULL : "86400000") &&
         set(app, "log level", "log.level", o->verbose ? "info" : "off") &&
         set(app, "--cacert", "tls.ca_file", trust_file(url)) &&
         set(app, "--cert", "tls.cert_file", o->cert) &&
         set(app, "--key", "tls.key_file", o->key) &&
         set(app, "--insecure", "tls.insecure", o->insecure ? "true" : NULL) &&
         set(app, "--session-file", "tls.session_file", o->session_file) &&
         set(app, "--no-early-data", "tls.early_data", o->no_early_data ? "false" : NULL) &&
         set(app, "--qlog-dir", "tls.qlog_dir", o->qlog_dir) &&
         set(app, "SSLKEYLOGFILE", "tls.keylog_file", keylog);
}

static void remember_peer(struct client *c) {
  struct herz_peer p = herz_client_peer(c->cl);
  snprintf(c->transport, sizeof c->transport, "%s", p.transport ? p.transport : "");
  snprintf(c->address, sizeof c->address, "%s", p.address ? p.address : "");
  snprintf(c->subject, sizeof c->subject, "%s", p.tls_subject ? p.tls_subject : "");
  c->peer = p;
  c->peer.transport = c->transport;
  c->peer.address = c->address;
  c->peer.tls_subject = c->subject;
}

/* Another connection after the first: with or without what was under way. */
static void tell_again(const struct client *c) {
  const char *session = "";
  if (c->resume) {
    session = herz_client_resumed(c->cl) ? ": the session goes on" : ": the old session is gone";
  }
  notice("* connected again to %s by %s%s", c->address, c->transport, session);
}

static void take_connection(struct client *c) {
  /* It is told again of one whose early data was refused: that is no other connection. */
  bool first = !c->connected, again = !first && !c->stands;
  c->connected = c->stands = true;
  c->told = false;
  if (first) c->connected_ns = client_now_ns();
  remember_peer(c);
  if (again) {
    tell_again(c);
  } else if (client_options.verbose) {
    notice("* connected to %s by %s%s%s", c->address, c->transport, c->peer.tls ? ", tls" : "",
           c->peer.early ? ", early data" : "");
  }
  if (c->on_connected) c->on_connected(c, c->arg);
}

static void keep_reason(struct client *c, const struct herz_close_info *info) {
  if (!info || c->gave_up) return;
  c->err = info->err;
  snprintf(c->text, sizeof c->text, "%s", info->text ? info->text : "");
}

/* Nobody could be reached at any URL: who is not patient does not wait for somebody to come. */
static void take_pause(struct client *c, const struct herz_close_info *info) {
  const char *why = info && info->text && *info->text ? info->text : "closed";
  if (!c->connected && !c->patient && c->tries >= c->urls) {
    keep_reason(c, info);
    c->gave_up = true;
    herz_client_close(c->cl);
  } else if (c->stands) {
    notice("* the connection went: %s", why);
  } else if (!c->told || client_options.verbose) {
    notice("* no connection: %s; trying again", why);
    c->told = true;
  }
  c->stands = false;
}

static void on_state(herz_client *cl, enum herz_client_state state,
                     const struct herz_close_info *info, void *arg) {
  struct client *c = arg;
  c->cl = cl; /* may come before herz_dial() has returned */
  switch (state) {
    case HERZ_CONNECTING: c->tries++; break;
    case HERZ_CONNECTED: take_connection(c); break;
    case HERZ_WAITING: take_pause(c, info); break;
    case HERZ_CLOSED:
      keep_reason(c, info);
      c->closed = true;
      c->cl = NULL;
      herz_stop(c->app);
      break;
  }
}

static int prepare(struct client *c, char *const urls[], int count) {
  if (client_options.quiet) exits_quiet();
  size_t len = 0;
  for (int i = 0; i < count; i++) {
    if (i > 0 && len + 1 < sizeof c->url) c->url[len++] = ' ';
    const char *why = url_complete(urls[i], c->url + len, sizeof c->url - len);
    if (why) return fail(EXIT_USAGE, "%s: %s", urls[i], why);
    len += strlen(c->url + len);
  }
  c->urls = (uint32_t)count;
  c->app = herz_app_new(NULL);
  return c->app && apply_flags(c->app, c->url) ? EXIT_OK : EXIT_USAGE;
}

int client_prepare(struct client *c, const char *url) {
  return prepare(c, (char *[]){(char *)(uintptr_t)url}, 1);
}

int client_open(struct client *c, char *const urls[], int count) {
  int code = count > 0 ? prepare(c, urls, count) : client_prepare(c, "/");
  if (code != EXIT_OK) return code;
  const struct herz_dial_options options = {.connect_timeout_ms = client_options.timeout_ms,
                                            .token = getenv("HERZ_TOKEN"),
                                            .reconnect = c->reconnect || c->resume,
                                            .resume = c->resume,
                                            .on_state = on_state,
                                            .arg = c};
  c->start_ns = client_now_ns();
  c->cl = herz_dial(c->app, c->url, &options);
  if (!c->cl && !c->closed) return fail(EXIT_USAGE, "%s", herz_error(c->app));
  c->faulty = herz_error(c->app)[0] != '\0';
  return EXIT_OK;
}

void client_close(struct client *c) {
  if (c->cl)
    herz_client_close(c->cl);
  else
    herz_stop(c->app);
}

void client_free(struct client *c) {
  if (c->app) herz_app_free(c->app);
  c->app = NULL;
}

/* For errors whose text, the system's or the clock's, names none; those of TLS do. */
static const char *remedy(int code, const char *url) {
  switch (code) {
    case EXIT_CONNECT:
      return strncmp(url, "unix:", 5) == 0 ? "does a service listen at that path?"
                                           : "does a service listen there? (herzd --dev)";
    case EXIT_TIMEOUT: return "--timeout S waits longer";
    default: return NULL;
  }
}

int client_failed(const struct client *c, int err, const char *text) {
  /* A call that lost its stream says so; why the connection went says more. */
  bool lost = err == 0 || err == HERZ_ECLOSED || err == HERZ_ERESET || err == HERZ_ECANCELED;
  bool own = c->closed && c->err && (!c->connected || lost);
  if (own) {
    err = c->err;
    text = c->text;
  }
  if (c->faulty && err == HERZ_ETLS) { /* a file of --cacert, --cert or --key, not the peer's */
    return fail(EXIT_USAGE, "%s; give PEM files", text);
  }
  int code = exit_for(err, c->connected);
  const char *help = remedy(code, c->url);
  bool said = text && *text;
  return fail(code, "%s%s: %s%s%s", c->connected ? "" : "cannot connect to ", c->url,
              said ? text : herz_strerror(err), help ? "; " : "", help ? help : "");
}
