/* From the command line to an app with its configuration and certificate. Not here: routes and
 * listeners (run.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "apps/common/exits.h"
#include "apps/herzd/herzd.h"

static bool set(herz_app *app, const char *flag, const char *key, const char *value) {
  if (!value) return true;
  if (herz_set(app, key, value) == 0) return true;
  fail(EXIT_USAGE, "%s %s: %s", flag, value, herz_error(app));
  return false;
}

static bool set_pair(herz_app *app, const char *pair) {
  char key[64];
  const char *mark = strchr(pair, '=');
  if (!mark || mark == pair || (size_t)(mark - pair) >= sizeof key) {
    fail(EXIT_USAGE, "--set %s: give KEY=VALUE; herzd config defaults lists the keys", pair);
    return false;
  }
  memcpy(key, pair, (size_t)(mark - pair));
  key[mark - pair] = '\0';
  if (herz_set(app, key, mark + 1) == 0) return true;
  fail(EXIT_USAGE, "--set %s: %s", pair, herz_error(app));
  return false;
}

/* The console of the admin listener may try the routes here by WebSocket, though its port is another; only
 * where there is nothing to protect. The key, given by --set, replaces it. */
static bool let_admin_in(herz_app *app) {
  char origins[1400], value[1420];
  if (!herzd_options.dev) return true;
  herzd_admin_origins(origins, sizeof origins);
  snprintf(value, sizeof value, "self,%s", origins);
  return !origins[0] || set(app, "--admin", "ws.origins", value);
}

static bool apply_flags(herz_app *app) {
  const struct herzd_options *o = &herzd_options;
  if (!let_admin_in(app)) return false;
  if (!set(app, "--workers", "workers", o->workers ? o->workers : "auto")) return false;
  if (!set(app, "--log-format", "log.format", o->log_format)) return false;
  if (!set(app, "--log-level", "log.level", o->log_level)) return false;
  if (o->qlog_dir && access(o->qlog_dir, W_OK | X_OK) != 0) {
    fail(EXIT_USAGE, "--qlog-dir %s: %s; give a directory that can be written", o->qlog_dir,
         strerror(errno));
    return false;
  }
  if (!set(app, "--qlog-dir", "tls.qlog_dir", o->qlog_dir)) return false;
  for (size_t i = 0; i < o->set.count; i++) {
    if (!set_pair(app, o->set.items[i])) return false;
  }
  return true;
}

herz_app *herzd_app(void) {
  herz_app *app = herz_app_new(NULL);
  if (!app) return NULL;
  if (!apply_flags(app)) {
    herz_app_free(app);
    return NULL;
  }
  return app;
}

static int make_certificate(struct herzd_cert *cert, char *why, size_t why_len) {
  /* Two daemons that start together must not mix one's certificate with the other's key. */
  int lock = open(cert->files.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock >= 0 && flock(lock, LOCK_EX) != 0) {
    close(lock);
    lock = -1;
  }
  int err = herz_dev_certificate(cert->files.cert, cert->files.key, cert->sha256,
                                 sizeof cert->sha256, &cert->days_left, why, why_len);
  if (lock >= 0) close(lock);
  return err;
}

int herzd_dev_certificate(struct herzd_cert *cert) {
  char why[256] = "neither HOME nor XDG_STATE_HOME says where";
  cert->dev = true;
  if (dev_files_find(&cert->files)) {
    dev_files_make_dir(&cert->files); /* what goes wrong shows in the next line, with its reason */
    if (make_certificate(cert, why, sizeof why) == 0) return EXIT_OK;
  }
  char first[256];
  snprintf(first, sizeof first, "%s", why);
  if (!dev_files_temporary(&cert->files)) {
    return fail(
        EXIT_USAGE,
        "no place for the development certificate: %s, and no temporary directory (%s); set "
        "XDG_STATE_HOME to a directory that can be written",
        first, strerror(errno));
  }
  cert->temporary = true;
  if (make_certificate(cert, why, sizeof why) != 0) {
    dev_files_remove(&cert->files);
    return fail(EXIT_USAGE, "cannot make the development certificate: %s", why);
  }
  notice("the development certificate is for this run only (%s); clients need --cacert %s", first,
         cert->files.cert);
  return EXIT_OK;
}

static bool readable(const char *flag, const char *file) {
  if (!file || access(file, R_OK) == 0) return true;
  fail(EXIT_USAGE, "%s %s: %s; give a PEM file that herzd can read", flag, file, strerror(errno));
  return false;
}

int herzd_certificate(herz_app *app, struct herzd_cert *cert) {
  const struct herzd_options *o = &herzd_options;
  *cert = (struct herzd_cert){0};
  if (!o->cert != !o->key) {
    return fail(EXIT_USAGE, "%s %s: give %s as well", o->cert ? "--cert" : "--key",
                o->cert ? o->cert : o->key, o->cert ? "--key" : "--cert");
  }
  if (!readable("--cert", o->cert) || !readable("--key", o->key) ||
      !readable("--client-ca", o->client_ca)) {
    return EXIT_USAGE;
  }
  const char *cert_file = o->cert, *key_file = o->key;
  if (!o->cert) {
    int code = herzd_dev_certificate(cert);
    if (code != EXIT_OK) return code;
    cert_file = cert->files.cert;
    key_file = cert->files.key;
  }
  if (!set(app, "--cert", "tls.cert_file", cert_file) ||
      !set(app, "--key", "tls.key_file", key_file) ||
      !set(app, "--client-ca", "tls.ca_file", o->client_ca)) {
    return EXIT_USAGE;
  }
  if (o->client_ca && !set(app, "--client-ca", "tls.require_client_cert", "true")) {
    return EXIT_USAGE;
  }
  return EXIT_OK;
}
