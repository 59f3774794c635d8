/* A service in ten lines: one handler, reached over raw TCP and WebSocket.
 * Try: herz req tcp://localhost:4433/hello/world and ws://...; another place as an argument: hello URL
 * With a certificate, herz_app_new("tls.cert_file=cert.pem\ntls.key_file=key.pem"), the same port
 * takes tls:// and wss:// too, and "quic://:4433" can stand beside it. */
#include <herz/herz.h>

static void hello(herz_ctx *c) {
  herz_reply(c, HERZ_OK, herz_map(c, "hello", herz_str(c, herz_param(c, "name"))));
}

int main(int argc, char **argv) {
  herz_app *app = herz_app_new(NULL);
  if (!app) return 2;
  herz_use(app, herz_logger);
  herz_get(app, "/hello/:name", hello);
  int code = herz_run(app, argc > 1 ? argv[1] : "tcp://:4433", NULL);
  herz_app_free(app);
  return code;
}
