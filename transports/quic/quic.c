/* The table of the adapter's operations. Not here: any of them. */
#include "transports/quic/quic.h"

#include "transports/quic/conn.h"
#include "transports/quic/listener.h"

const struct hz_transport_ops *hz_transport_quic(void) {
  static const struct hz_transport_ops ops = {
      .scheme = "quic",
      .shares_address = true,
      .caps = HZ_CAP_STREAMS | HZ_CAP_UNI | HZ_CAP_DATAGRAM | HZ_CAP_RESET | HZ_CAP_EARLY |
              HZ_CAP_SECURE,
      .listen = hz_quic_listen,
      .unlisten = hz_quic_unlisten,
      .dial = hz_quic_dial,
      .close = hz_quic_close,
      .destroy = hz_quic_destroy,
      .peer = hz_quic_peer,
      .stream_open = hz_quic_stream_open,
      .stream_send = hz_quic_stream_send,
      .stream_consume = hz_quic_stream_consume,
      .stream_reset = hz_quic_stream_reset,
      .stream_stop = hz_quic_stream_stop,
      .datagram_send = hz_quic_datagram_send,
      .datagram_max = hz_quic_datagram_max,
      .keepalive = hz_quic_keepalive,
      .rebind = hz_quic_rebind,
  };
  return &ops;
}
