/* Sessions that may be resumed, in frames: what HELLO asks for and WELCOME says, answers that are given once more.
 * Not here: who holds a session and what it remembers (core/session). */
#include "core/protocol/internal.h"

static void displaced(void *user) {
  hz_session_close(user, HZ_CLOSE_SHUTDOWN, HZ_OK, "the session goes on on another connection");
}

static void ready(void *user) {
  hz_serve_ready(user);
}

const struct hz_seat_ops hz_session_seat_ops = {
    .displaced = displaced, .ready = ready, .forsake = hz_serve_forsake};

void hz_resume_hello(struct hz_session *s, const struct hz_hello *asked, struct hz_hello *welcome,
                     char token[HZ_TOKEN_TEXT]) {
  struct hz_peer who = {.tls = false};

  if (s->owner->seats == NULL || s->conn->early) return; /* early data may be a replay */
  s->conn->ops->peer(s->conn, &who);
  struct hz_seat_claim claim = {
      .token = asked->resume, .subject = hz_peer_verified_name(&who), .auth = asked->auth};
  s->seat = hz_seat_take(s->owner->seats, &claim, s, token, &welcome->resumed);
  if (s->seat == NULL) return;
  welcome->token = (struct hz_str){token, HZ_TOKEN_TEXT - 1};
}

bool hz_resume_leave(struct hz_session *s, bool for_good) {
  struct hz_seat *seat = s->seat;

  if (seat == NULL) return false;
  if (for_good) {
    hz_seat_quit(seat);
    return false;
  }
  s->seat = NULL;
  return hz_seat_leave(seat);
}

static bool give_kept(struct hz_lane *l, uint64_t id, size_t len) {
  struct hz_session *s = l->session;
  struct hz_buf *b = hz_session_buf(s, len + HZ_FRAME_TRAILER);

  if (b == NULL) return false;
  if (!hz_seat_copy(s->seat, id, hz_buf_tail(b), len)) {
    hz_buf_unref(b);
    return false;
  }
  b->len += (uint32_t)len;
  (void)hz_lane_send(l, b, !s->mux && l->use == HZ_LANE_SERVED);
  return true;
}

void hz_resume_answer(struct hz_lane *l, uint64_t id, enum hz_known known, size_t len) {
  if (known == HZ_KNOWN_DONE && give_kept(l, id, len)) return;
  hz_session_error(l->session, l, true, id, HZ_WIRE_LOST,
                   "this was done, or may have been, and its answer is gone");
  if (!l->session->mux && l->use == HZ_LANE_SERVED) hz_lane_fin(l);
}
