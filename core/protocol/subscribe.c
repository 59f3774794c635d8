/* A client's half of publish and subscribe in frames. What comes back goes to the session's owner. Not here:
 * waiting for a connection, subscribing again (core/app/client_topic.c). */
#include "core/protocol/internal.h"

/* Topics belong to the control stream. */
static hz_err ready(const struct hz_session *s, size_t size) {
  if (!hz_session_usable(s)) return HZ_ECLOSED;
  if (s->conn->ops->request != NULL) return HZ_EUNSUPPORTED;
  if (s->control == NULL || s->conn->early) return HZ_AGAIN;
  return size > s->peer_frame ? HZ_ETOOBIG : HZ_OK;
}

static hz_err send(struct hz_session *s, struct hz_buf *b, hz_err err) {
  if (err == HZ_OK) return hz_lane_send(s->control, b, false);
  hz_buf_unref(b);
  return err;
}

hz_err hz_session_subscribe(struct hz_session *s, struct hz_str pattern,
                            const struct hz_sub_options *o, uint64_t *id) {
  size_t size = hz_sub_size(pattern, o);
  hz_err err = ready(s, size);

  if (err != HZ_OK) return err;
  struct hz_buf *b = hz_session_buf(s, size);
  if (b == NULL) return HZ_ENOMEM;
  *id = s->next_id;
  err = send(s, b, hz_encode_sub(b, *id, pattern, o));
  if (err == HZ_OK) s->next_id++;
  return err;
}

void hz_session_unsubscribe(struct hz_session *s, uint64_t id) {
  struct hz_buf *b = ready(s, 0) == HZ_OK ? hz_session_buf(s, HZ_SMALL_SIZE) : NULL;

  if (b != NULL) (void)send(s, b, hz_encode_unsub(b, id));
}

void hz_session_sub_credit(struct hz_session *s, uint64_t id, uint64_t n) {
  struct hz_buf *b = ready(s, 0) == HZ_OK ? hz_session_buf(s, HZ_SMALL_SIZE) : NULL;

  if (b != NULL) (void)send(s, b, hz_encode_credit(b, id, n));
}

static hz_err publish(struct hz_session *s, const struct hz_message *m, bool has_id, uint64_t id) {
  size_t size = hz_pub_size(m->topic, m->headers, m->header_count, &m->body);
  hz_err err = ready(s, size);

  if (err != HZ_OK) return err;
  if (s->control->pending.bytes >= s->owner->limits->send_high_bytes) return HZ_AGAIN;
  struct hz_buf *b = hz_session_buf(s, size);
  if (b == NULL) return HZ_ENOMEM;
  return send(s, b, hz_encode_pub(b, has_id, id, m->topic, m->headers, m->header_count, &m->body));
}

hz_err hz_session_publish(struct hz_session *s, const struct hz_message *m, uint64_t *id) {
  hz_err err = publish(s, m, id != NULL, s->next_id);

  if (err == HZ_OK && id != NULL) *id = s->next_id++;
  return err;
}

hz_err hz_session_publish_again(struct hz_session *s, const struct hz_message *m, uint64_t id) {
  return publish(s, m, true, id);
}

void hz_session_done(struct hz_session *s, uint64_t first, uint64_t n) {
  struct hz_buf *b = ready(s, 0) == HZ_OK ? hz_session_buf(s, HZ_SMALL_SIZE) : NULL;

  if (b != NULL) (void)send(s, b, hz_encode_done(b, first, n));
}

void hz_session_quit(struct hz_session *s) {
  struct hz_buf *b = ready(s, 0) == HZ_OK ? hz_session_buf(s, HZ_SMALL_SIZE) : NULL;

  if (b != NULL) (void)send(s, b, hz_encode_goaway(b, 0, 0, (struct hz_str){NULL, 0}));
}
