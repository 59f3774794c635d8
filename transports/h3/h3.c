/* The tables through which QUIC and the core reach this adapter. Not here: any of the functions. */
#include "transports/h3/h3.h"

#include "transports/h3/conn.h"

const struct hz_quic_app *hz_h3_app(void) {
  static const struct hz_quic_app app = {.alpn = "h3",
                                         .begin = hz_h3_begin,
                                         .ready = hz_h3_ready,
                                         .early_rejected = hz_h3_early_rejected,
                                         .stream_open = hz_h3_on_stream_open,
                                         .data = hz_h3_on_data,
                                         .acked = hz_h3_on_acked,
                                         .closed = hz_h3_on_closed,
                                         .reset = hz_h3_on_reset,
                                         .stop = hz_h3_on_stop,
                                         .room = hz_h3_on_room,
                                         .slots = hz_h3_on_slots,
                                         .datagram = hz_h3_on_datagram,
                                         .moved = hz_h3_tunnels_moved,
                                         .write = hz_h3_on_write,
                                         .written = hz_h3_on_written,
                                         .flushed = hz_h3_flushed,
                                         .explain = hz_h3_explain,
                                         .code_of = hz_h3_code_of,
                                         .reason_of = hz_h3_reason_of,
                                         .shed = hz_h3_shed,
                                         .end = hz_h3_end,
                                         .free = hz_h3_free};
  return &app;
}

/* A message carrier has no streams for the core. */
static hz_err no_stream(struct hz_stream *s, struct hz_buf *b, bool fin) {
  (void)s, (void)b, (void)fin;
  return HZ_EUNSUPPORTED;
}

static void no_consume(struct hz_stream *s, size_t n) {
  (void)s, (void)n;
}

const struct hz_transport_ops *hz_transport_h3(void) {
  static const struct hz_transport_ops ops = {
      .scheme = "h3",
      .caps = HZ_CAP_EARLY | HZ_CAP_SECURE,
      .dial = hz_h3_dial,
      .close = hz_quic_close,
      .destroy = hz_quic_destroy,
      .peer = hz_quic_peer,
      .stream_send = no_stream,
      .stream_consume = no_consume,
      .request = hz_h3_request,
      .drain = hz_h3_drain,
      .keepalive = hz_quic_keepalive,
      .rebind = hz_quic_rebind,
  };
  return &ops;
}
