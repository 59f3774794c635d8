/* A service that is one directory: what a download from a file costs (run.mjs). Not here: the daemon, whose
 * downloads are made in memory. */
#include <herz/web.h>
#include <stdio.h>

int main(int argc, char **argv) {
  char config[1024], url[64];

  if (argc != 5) {
    fprintf(stderr, "usage: plain_files DIRECTORY PORT CERTIFICATE KEY\n");
    return 2;
  }
  (void)snprintf(config, sizeof(config),
                 "tls.cert_file=%s\ntls.key_file=%s\nworkers=1\nlog.level=warn", argv[3], argv[4]);
  (void)snprintf(url, sizeof(url), "quic://127.0.0.1:%s", argv[2]);
  herz_app *app = herz_app_new(config);
  if (app == NULL) return 2;
  if (herz_static(app, "/*path", argv[1], NULL) != 0) {
    fprintf(stderr, "plain_files: %s\n", herz_error(app));
    return 2;
  }
  return herz_run(app, url, NULL);
}
