/* What ngtcp2 tells: its callbacks. Those about streams and datagrams are for the application
 * protocol (app.h). None writes packets (egress.c does, at the turn's end). Not here: CRYPTO (crypto.c). */
#include <string.h>

#include "transports/quic/conn.h"
#include "transports/quic/listener.h"
#include "transports/quic/protect.h"
#include "transports/quic/session.h"
#include "transports/quic/steer.h"

static void random_bytes(uint8_t *dest, size_t len, const ngtcp2_rand_ctx *ctx) {
  struct hz_env *env = ctx->native_handle;
  env->ops->random(env, dest, len);
}

static int new_connection_id(ngtcp2_conn *qc, ngtcp2_cid *cid, ngtcp2_stateless_reset_token *token,
                             size_t len, void *user) {
  struct hz_quic_conn *c = user;
  (void)qc;
  c->base.env->ops->random(c->base.env, cid->data, len);
  cid->datalen = len;
  if (c->ln != NULL) hz_quic_steer_cid(&c->ln->base.share, cid->data);
  if (hz_quic_reset_token(c->keys, cid, token->data) != HZ_OK) return NGTCP2_ERR_CALLBACK_FAILURE;
  if (c->ln == NULL) return 0; /* a client's socket has one connection only */
  return hz_quic_cid_add(&c->ln->cids, cid->data, len, &c->route) == HZ_OK
             ? 0
             : NGTCP2_ERR_CALLBACK_FAILURE;
}

static int remove_connection_id(ngtcp2_conn *qc, const ngtcp2_cid *cid, void *user) {
  struct hz_quic_conn *c = user;
  (void)qc;
  if (c->ln != NULL) hz_quic_cid_remove(&c->ln->cids, cid->data, cid->datalen, &c->route);
  return 0;
}

static int path_challenge(ngtcp2_conn *qc, ngtcp2_path_challenge_data *data, void *user) {
  struct hz_quic_conn *c = user;
  (void)qc;
  c->base.env->ops->random(c->base.env, data->data, sizeof(data->data));
  return 0;
}

/* Before the handshake is done only 0-RTT can bring anything. */
static void open_early(struct hz_quic_conn *c) {
  if (!c->opened) hz_quic_conn_open(c, true);
}

static int stream_open(ngtcp2_conn *qc, int64_t id, void *user) {
  struct hz_quic_conn *c = user;
  (void)qc;
  open_early(c);
  return c->app->stream_open(c, id);
}

static int recv_stream_data(ngtcp2_conn *qc, uint32_t flags, int64_t id, uint64_t offset,
                            const uint8_t *data, size_t len, void *user, void *stream) {
  struct hz_quic_conn *c = user;
  (void)qc;
  (void)offset;
  return c->app->data(c, id, stream, data, len, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
}

static int acked(ngtcp2_conn *qc, int64_t id, uint64_t offset, uint64_t len, void *user,
                 void *stream) {
  struct hz_quic_conn *c = user;
  (void)qc;
  return c->app->acked(c, id, stream, offset, len);
}

static int stream_close(ngtcp2_conn *qc, uint32_t flags, int64_t id, uint64_t code, void *user,
                        void *stream) {
  struct hz_quic_conn *c = user;
  if (!ngtcp2_conn_is_local_stream2(qc, id)) { /* one is gone, another may come */
    if (ngtcp2_is_bidi_stream(id)) {
      ngtcp2_conn_extend_max_streams_bidi(qc, 1);
    } else {
      ngtcp2_conn_extend_max_streams_uni(qc, 1);
    }
  }
  bool coded = (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0;
  return c->app->closed(c, id, stream, coded ? code : UINT64_MAX);
}

static int stream_reset(ngtcp2_conn *qc, int64_t id, uint64_t final_size, uint64_t code, void *user,
                        void *stream) {
  struct hz_quic_conn *c = user;
  (void)qc;
  (void)final_size;
  return c->app->reset(c, id, stream, code);
}

static int recv_stop_sending(ngtcp2_conn *qc, int64_t id, uint64_t code, void *user, void *stream) {
  struct hz_quic_conn *c = user;
  (void)qc;
  return c->app->stop(c, id, stream, code);
}

static int extend_max_stream_data(ngtcp2_conn *qc, int64_t id, uint64_t max, void *user,
                                  void *stream) {
  struct hz_quic_conn *c = user;
  (void)qc;
  (void)max;
  return c->app->room(c, id, stream);
}

static int more_bidi(ngtcp2_conn *qc, uint64_t max, void *user) {
  struct hz_quic_conn *c = user;
  (void)qc;
  (void)max;
  c->app->slots(c, HZ_BIDI);
  return 0;
}

static int more_uni(ngtcp2_conn *qc, uint64_t max, void *user) {
  struct hz_quic_conn *c = user;
  (void)qc;
  (void)max;
  c->app->slots(c, HZ_UNI);
  return 0;
}

static int recv_datagram(ngtcp2_conn *qc, uint32_t flags, const uint8_t *data, size_t len,
                         void *user) {
  struct hz_quic_conn *c = user;
  (void)qc;
  (void)flags;
  open_early(c);
  c->app->datagram(c, data, len);
  return 0;
}

static int path_validation(ngtcp2_conn *qc, uint32_t flags, const ngtcp2_path *path,
                           const ngtcp2_path *fallback, ngtcp2_path_validation_result res,
                           void *user) {
  struct hz_quic_conn *c = user;
  (void)fallback;
  c->check_path = true; /* also after a failure: then the old path is back */
  if (res != NGTCP2_PATH_VALIDATION_RESULT_SUCCESS || c->ln == NULL ||
      (flags & NGTCP2_PATH_VALIDATION_FLAG_NEW_TOKEN) == 0) {
    return 0;
  }
  struct hz_addr peer = {.len = path->remote.addrlen};
  memcpy(&peer.u, path->remote.addr, path->remote.addrlen);
  uint8_t token[HZ_QUIC_TOKEN_MAX];
  size_t n = hz_quic_new_token(c->keys, &peer, c->base.env->ops->wall_ns(c->base.env), token);
  if (n > 0 && ngtcp2_conn_submit_new_token(qc, token, n) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  return 0;
}

static int recv_new_token(ngtcp2_conn *qc, const uint8_t *token, size_t len, void *user) {
  (void)qc;
  hz_quic_session_token(user, token, len);
  return 0;
}

static int recv_stateless_reset(ngtcp2_conn *qc, const ngtcp2_pkt_stateless_reset2 *sr,
                                void *user) {
  struct hz_quic_conn *c = user;
  (void)qc;
  (void)sr;
  c->reset_seen = true;
  return 0;
}

#define COMMON                                                                                 \
  .recv_crypto_data = hz_quic_recv_crypto, .handshake_completed = hz_quic_handshake_completed, \
  .encrypt = hz_quic_encrypt, .decrypt = hz_quic_decrypt, .hp_mask = hz_quic_hp_mask,          \
  .recv_stream_data = recv_stream_data, .acked_stream_data_offset = acked,                     \
  .stream_open = stream_open, .stream_close = stream_close, .rand = random_bytes,              \
  .remove_connection_id = remove_connection_id, .update_key = ngtcp2_crypto_update_key_cb,     \
  .path_validation = path_validation, .stream_reset = stream_reset,                            \
  .extend_max_local_streams_bidi = more_bidi, .extend_max_local_streams_uni = more_uni,        \
  .extend_max_stream_data = extend_max_stream_data,                                            \
  .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,                           \
  .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,                       \
  .recv_datagram = recv_datagram, .version_negotiation = ngtcp2_crypto_version_negotiation_cb, \
  .recv_stateless_reset2 = recv_stateless_reset, .get_new_connection_id2 = new_connection_id,  \
  .get_path_challenge_data2 = path_challenge, .recv_stop_sending = recv_stop_sending

const ngtcp2_callbacks hz_quic_server_callbacks = {
    COMMON, .recv_client_initial = ngtcp2_crypto_recv_client_initial_cb};

const ngtcp2_callbacks hz_quic_client_callbacks = {
    COMMON, .client_initial = hz_quic_client_initial, .recv_retry = ngtcp2_crypto_recv_retry_cb,
    .handshake_confirmed = hz_quic_handshake_confirmed, .recv_new_token = recv_new_token};
