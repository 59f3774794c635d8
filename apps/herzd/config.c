/* `herzd check`, `herzd config` and `herzd cert`: what can be asked without serving. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/exits.h"
#include "apps/herzd/herzd.h"

/* A listener of each kind on a free loopback port proves certificate and key without disturbing the
 * daemon that may hold the real port. */
static int check_listeners(herz_app *app) {
  static const char *const kinds[] = {"quic://127.0.0.1:0", "tcp://127.0.0.1:0"};
  for (size_t i = 0; i < 2; i++) {
    if (herz_listen(app, kinds[i], NULL, 0) != 0) return fail(EXIT_USAGE, "%s", herz_error(app));
  }
  return EXIT_OK;
}

int herzd_check(const struct args *a) {
  (void)a;
  for (size_t i = 0; i < herzd_options.listen.count; i++) {
    int code = herzd_listen_url(herzd_options.listen.items[i]);
    if (code != EXIT_OK) return code;
  }
  char admin[300];
  if (herzd_admin_url(admin, sizeof admin) != EXIT_OK) return EXIT_USAGE;
  herz_app *app = herzd_app();
  if (!app) return EXIT_USAGE;
  struct herzd_cert cert;
  int code = herzd_certificate(app, &cert);
  if (code == EXIT_OK) code = herzd_files(app);
  if (code == EXIT_OK) code = check_listeners(app);
  herz_app_free(app);
  if (cert.temporary) dev_files_remove(&cert.files);
  if (code != EXIT_OK) return code;
  printf("ok\n");
  return flush_stdout();
}

int herzd_config(const struct args *a) {
  bool dump = strcmp(a->operands[0], "dump") == 0;
  if (!dump && strcmp(a->operands[0], "defaults") != 0) {
    return fail(EXIT_USAGE, "config %s: give defaults or dump", a->operands[0]);
  }
  herz_app *app = dump ? herzd_app() : herz_app_new(NULL);
  if (!app) return EXIT_USAGE;
  herz_config_print(app, stdout);
  herz_app_free(app);
  return flush_stdout();
}

int herzd_cert(const struct args *a) {
  bool renew = strcmp(a->operands[0], "renew") == 0;
  if (!renew && strcmp(a->operands[0], "show") != 0) {
    return fail(EXIT_USAGE, "cert %s: give show or renew", a->operands[0]);
  }
  struct dev_files f;
  if (renew && dev_files_find(&f)) {
    unlink(f.cert);
    unlink(f.key);
  }
  struct herzd_cert cert = {0};
  int code = herzd_dev_certificate(&cert);
  if (code != EXIT_OK) return code;
  printf("file    %s\nkey     %s\nsha256  %s\nvalid   %d more days\n", cert.files.cert,
         cert.files.key, cert.sha256, cert.days_left);
  if (cert.temporary) dev_files_remove(&cert.files);
  return flush_stdout();
}
