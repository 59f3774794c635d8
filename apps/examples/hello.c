/* A service in ten lines: one handler, reached over QUIC, WebSocket, TCP and TLS.
 * Try: herz req quic://localhost:4433/hello/world */
#include <herz/herz.h>

static void hello(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_map(c, "hello", herz_str(c, herz_param(c, "name"))));
}

int main(void) {
  herz_app *app = herz_app_new(NULL);
  if (!app) return 2;
  herz_use(app, herz_logger);
  herz_get(app, "/hello/:name", hello);
  int code = herz_run(app, "quic://:4433", "tcp://:4433", NULL);
  herz_app_free(app);
  return code;
}
