/* The list: the adapters and the loop that come with the library. The one place that names them. */
#include "core/app/driver.h"
#include "core/transport/transport.h"
#include "transports/common/ev_env.h"
#include "transports/common/sniff.h"
#include "transports/h3/h3.h"
#include "transports/http1/http1.h"
#include "transports/mem/mem.h"
#include "transports/quic/quic.h"
#include "transports/tcp/tcp.h"
#include "transports/websocket/websocket.h"
#include "transports/webtransport/webtransport.h"

void hz_builtin_register(void) {
  hz_transport_register(hz_transport_mem());
  hz_transport_register(hz_transport_tcp());
  hz_transport_register(hz_transport_tls());
  hz_transport_register(hz_transport_unix());
  hz_transport_register(hz_transport_ws());
  hz_transport_register(hz_transport_wss());
  hz_transport_register(hz_transport_quic());
  hz_quic_app_register(hz_h3_app());
  hz_transport_register(hz_transport_h3());
  hz_tunnel_set_dialler(hz_h3_tunnel_dial);
  hz_tunnel_register(hz_ws_tunnel());
  hz_transport_register(hz_transport_ws_h3());
  hz_transport_register(hz_transport_wt());
  hz_wt_register();
  hz_transport_register(hz_transport_http());
  hz_transport_register(hz_transport_https());
  hz_sniff_register(hz_http1_taker());
  hz_upgrade_register(hz_ws_upgrade());
}

static const struct hz_driver libev_driver = {.env_new = hz_ev_env_new,
                                              .env_free = hz_ev_env_free,
                                              .run = hz_ev_run,
                                              .stop = hz_ev_break,
                                              .run_once = hz_ev_run_once,
                                              .on_signal = hz_ev_on_signal};

const struct hz_driver *hz_builtin_driver(void) {
  return &libev_driver;
}
