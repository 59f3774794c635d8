/* Tokens and seats: who holds a session, and how long it waits for somebody. Not here: what it remembers of
 * calls (ledger.c). */
#include <string.h>

#include "core/session/internal.h"

/** Credentials longer than this bind no session. */
#define IDENTITY_MAX 4096u

struct hz_sessions *hz_sessions_new(struct hz_alloc *alloc, bool shared,
                                    const struct hz_limits *limits) {
  struct hz_sessions *t = hz_new(alloc, struct hz_sessions);

  if (t == NULL) return NULL;
  (void)pthread_mutex_init(&t->lock, NULL);
  hz_alloc_init_libc(&t->libc);
  t->alloc = shared ? &t->libc : alloc;
  t->limits = limits;
  hz_idmap_init(&t->tokens, t->alloc);
  hz_list_init(&t->all);
  hz_list_init(&t->parked);
  hz_share_init(t);
  return t;
}

void hz_seats_init(struct hz_seats *here, struct hz_sessions *table, struct hz_env *env,
                   struct hz_counters *counters) {
  if (here->table != NULL) return;
  *here = (struct hz_seats){.table = table, .env = env, .counters = counters, .ops = here->ops};
  hz_list_init(&here->all);
}

static void lock(struct hz_sessions *t) {
  (void)pthread_mutex_lock(&t->lock);
}
static void unlock(struct hz_sessions *t) {
  (void)pthread_mutex_unlock(&t->lock);
}

/* ---- tokens ---- */

/* Every byte is looked at, wherever they differ. */
static bool same(const void *a, const void *b, size_t n) {
  const uint8_t *x = a, *y = b;
  unsigned differ = 0;

  for (size_t i = 0; i < n; i++) differ |= (unsigned)(x[i] ^ y[i]);
  return differ == 0;
}

static uint64_t key_of(const uint8_t token[HZ_TOKEN_BYTES]) {
  uint64_t key;

  memcpy(&key, token, sizeof(key));
  return key;
}

static hz_err new_token(struct hz_lasting *l, struct hz_env *env) {
  hz_err err;

  do {
    env->ops->random(env, l->token, HZ_TOKEN_BYTES);
    err = hz_idmap_put(&l->table->tokens, key_of(l->token), l);
  } while (err == HZ_EEXIST);
  return err;
}

static void say_token(const uint8_t token[HZ_TOKEN_BYTES], char text[HZ_TOKEN_TEXT]) {
  static const char digits[] = "0123456789abcdef";

  for (size_t i = 0; i < HZ_TOKEN_BYTES; i++) {
    text[2 * i] = digits[token[i] >> 4];
    text[2 * i + 1] = digits[token[i] & 15];
  }
  text[2 * HZ_TOKEN_BYTES] = '\0';
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_token(struct hz_str text, uint8_t token[HZ_TOKEN_BYTES]) {
  if (text.n != 2 * (size_t)HZ_TOKEN_BYTES) return false;
  for (size_t i = 0; i < HZ_TOKEN_BYTES; i++) {
    int hi = digit(text.p[2 * i]), lo = digit(text.p[2 * i + 1]);

    if (hi < 0 || lo < 0) return false;
    token[i] = (uint8_t)(hi << 4 | lo);
  }
  return true;
}

static bool is_of(const struct hz_lasting *l, const struct hz_seat_claim *c) {
  return l->subject_len == c->subject.n && l->auth_len == c->auth.n &&
         same(l->identity, c->subject.p, c->subject.n) &&
         same(l->identity + l->subject_len, c->auth.p, c->auth.n);
}

static struct hz_lasting *find(struct hz_sessions *t, const struct hz_seat_claim *c) {
  uint8_t token[HZ_TOKEN_BYTES];

  if (!read_token(c->token, token)) return NULL;
  struct hz_lasting *l = hz_idmap_get(&t->tokens, key_of(token));
  if (l == NULL || l->over) return NULL;
  bool newest = same(token, l->token, HZ_TOKEN_BYTES);
  bool used = same(token, l->used, HZ_TOKEN_BYTES) && l->unconfirmed;
  return (newest || used) && is_of(l, c) ? l : NULL;
}

void hz_lasting_confirm(struct hz_lasting *l) {
  if (!l->unconfirmed) return;
  l->unconfirmed = false;
  (void)hz_idmap_remove(&l->table->tokens, key_of(l->used));
}

/* ---- the life of a session ---- */

static struct hz_lasting *lasting_new(struct hz_sessions *t, const struct hz_seat_claim *c) {
  size_t n = c->subject.n + c->auth.n;
  struct hz_lasting *l = n > IDENTITY_MAX ? NULL : hz_calloc(t->alloc, 1, sizeof(*l) + n);

  if (l == NULL) return NULL;
  l->table = t;
  l->subject_len = (uint32_t)c->subject.n;
  l->auth_len = (uint32_t)c->auth.n;
  if (c->subject.n > 0) memcpy(l->identity, c->subject.p, c->subject.n);
  if (c->auth.n > 0) memcpy(l->identity + c->subject.n, c->auth.p, c->auth.n);
  hz_idmap_init(&l->known, t->alloc);
  hz_list_init(&l->bare);
  hz_list_init(&l->answers);
  l->size_class = HZ_SIZE_CLASSES;
  hz_list_init(&l->seats);
  hz_list_push(&t->all, &l->link);
  return l;
}

static void lasting_free(struct hz_lasting *l) {
  hz_lasting_forget_all(l);
  hz_list_remove(&l->link);
  hz_free(l->table->alloc, l);
}

static void unpark(struct hz_lasting *l) {
  if (!hz_link_in_list(&l->parked)) return;
  hz_list_remove(&l->parked);
  l->table->parked_count--;
}

void hz_lasting_end(struct hz_lasting *l) {
  if (l->over) return;
  l->over = true;
  hz_lasting_confirm(l);
  (void)hz_idmap_remove(&l->table->tokens, key_of(l->token));
  unpark(l);
  hz_lasting_forget_all(l);
  l->at = NULL;
  for (struct hz_link *i = l->seats.next; i != &l->seats; i = i->next) {
    struct hz_seat *s = HZ_CONTAINER(i, struct hz_seat, of_session);

    s->over = true;
    hz_seat_post(s);
  }
  if (hz_list_empty(&l->seats)) lasting_free(l);
}

/* ---- seats ---- */

static void told(struct hz_post *p) {
  struct hz_seat *s = HZ_CONTAINER(p, struct hz_seat, post);
  struct hz_sessions *t = s->here->table;

  lock(t);
  s->in_flight = false;
  bool ready = s->ready, displaced = s->displaced, over = s->over;
  s->ready = false;
  unlock(t);
  s->busy = true;
  while (over && !hz_list_empty(&s->calls)) s->here->ops->forsake(hz_list_pop(&s->calls));
  if (displaced && s->user != NULL)
    s->here->ops->displaced(s->user);
  else if (ready && s->user != NULL)
    s->here->ops->ready(s->user);
  s->busy = false;
  hz_seat_settle(s);
}

void hz_seat_post(struct hz_seat *s) {
  if (s->in_flight || s->here->table->shut) return;
  s->in_flight = true;
  s->post.fn = told;
  s->here->env->ops->post(s->here->env, &s->post);
}

/* Behind the lock. */
static void seat_free(struct hz_seat *s) {
  struct hz_lasting *l = s->session;

  hz_list_remove(&s->of_session);
  hz_list_remove(&s->of_worker);
  if (l->over && hz_list_empty(&l->seats)) lasting_free(l);
  hz_free(s->here->table->alloc, s);
}

void hz_seat_settle(struct hz_seat *s) {
  struct hz_sessions *t = s->here->table;

  if (s->busy || s->user != NULL || !hz_list_empty(&s->calls)) return;
  lock(t);
  if (!s->in_flight && s->session->at != s) seat_free(s);
  unlock(t);
}

/* ---- waiting for a connection ---- */

static void tick(struct hz_wheel_timer *timer, hz_time now);

static void arm(struct hz_seats *here) {
  hz_wheel_set(&here->env->wheel, &here->tick,
               here->env->now + here->table->limits->resume_grace_ns, tick);
}

static void expire(struct hz_seats *here, hz_time now) {
  struct hz_sessions *t = here->table;

  while (!hz_list_empty(&t->parked)) {
    struct hz_lasting *l = HZ_CONTAINER(t->parked.next, struct hz_lasting, parked);

    if (now < l->since + t->limits->resume_grace_ns) return;
    HZ_COUNT(here->counters, sessions_expired);
    hz_lasting_end(l);
  }
}

static void tick(struct hz_wheel_timer *timer, hz_time now) {
  struct hz_seats *here = HZ_CONTAINER(timer, struct hz_seats, tick);

  lock(here->table);
  expire(here, now);
  bool more = !hz_list_empty(&here->table->parked);
  unlock(here->table);
  if (more) arm(here);
}

static void park(struct hz_seats *here, struct hz_lasting *l) {
  struct hz_sessions *t = here->table;

  l->since = here->env->now;
  hz_list_push(&t->parked, &l->parked);
  t->parked_count++;
  HZ_COUNT(here->counters, sessions_parked);
  if (t->parked_count <= t->limits->resume_sessions) return;
  HZ_COUNT(here->counters, sessions_evicted);
  hz_lasting_end(HZ_CONTAINER(t->parked.next, struct hz_lasting, parked));
}

void hz_seat_quit(struct hz_seat *s) {
  lock(s->here->table);
  if (s->session->at == s) hz_lasting_end(s->session);
  unlock(s->here->table);
}

bool hz_seat_leave(struct hz_seat *s) {
  struct hz_lasting *l = s->session;
  struct hz_sessions *t = s->here->table;

  lock(t);
  s->user = NULL;
  if (l->at == s) park(s->here, l);
  bool waits = !hz_list_empty(&t->parked), over = s->over, lasts = !l->over;
  unlock(t);
  s->busy = true;
  while (over && !hz_list_empty(&s->calls)) s->here->ops->forsake(hz_list_pop(&s->calls));
  s->busy = false;
  if (waits && !hz_wheel_armed(&s->here->tick)) arm(s->here);
  hz_seat_settle(s);
  return lasts;
}

uint64_t hz_seat_member(struct hz_seat *s, uint64_t fresh) {
  struct hz_sessions *t = s->here->table;

  lock(t);
  if (s->session->member == 0) s->session->member = fresh;
  uint64_t member = s->session->member;
  unlock(t);
  return member;
}

/* ---- taking a seat ---- */

static void sit(struct hz_lasting *l, struct hz_seat *s) {
  struct hz_seat *was = l->at;

  unpark(l);
  s->session = l;
  hz_list_push(&l->seats, &s->of_session);
  hz_list_push(&s->here->all, &s->of_worker);
  l->at = s;
  if (was == NULL) return;
  was->displaced = true;
  hz_seat_post(was); /* it closes its connection, or has none and goes */
}

/* What it was resumed with stands until the client has shown that it has the next: an answer to HELLO may be
 * lost with its connection. */
static hz_err change_token(struct hz_lasting *l, const struct hz_seat_claim *c,
                           struct hz_env *env) {
  uint8_t old[HZ_TOKEN_BYTES], shown[HZ_TOKEN_BYTES] = {0};

  memcpy(old, l->token, sizeof(old));
  (void)read_token(c->token, shown); /* find() has read it, too */
  hz_err err = new_token(l, env);
  if (err != HZ_OK) {
    memcpy(l->token, old, sizeof(old));
    return err;
  }
  if (same(shown, old, sizeof(old))) { /* the newest: it had that one, and no other is of use */
    hz_lasting_confirm(l);
    memcpy(l->used, old, sizeof(old));
  } else {
    (void)hz_idmap_remove(&l->table->tokens, key_of(old));
  }
  l->unconfirmed = true;
  return HZ_OK;
}

/* Behind the lock. False: memory is short. */
static bool seat_in(struct hz_seats *here, const struct hz_seat_claim *claim, struct hz_seat *s,
                    bool *resumed) {
  struct hz_sessions *t = here->table;

  expire(here, here->env->now);
  struct hz_lasting *l = find(t, claim);
  *resumed = l != NULL;
  if (l != NULL) {
    if (change_token(l, claim, here->env) != HZ_OK) return false;
    HZ_COUNT(here->counters, sessions_resumed);
  } else {
    if (claim->token.n == 2 * (size_t)HZ_TOKEN_BYTES) HZ_COUNT(here->counters, sessions_refused);
    l = lasting_new(t, claim);
    if (l == NULL) return false;
    if (new_token(l, here->env) != HZ_OK) {
      lasting_free(l);
      return false;
    }
  }
  sit(l, s);
  return true;
}

struct hz_seat *hz_seat_take(struct hz_seats *here, const struct hz_seat_claim *claim, void *user,
                             char token[HZ_TOKEN_TEXT], bool *resumed) {
  struct hz_sessions *t = here->table;
  struct hz_seat *s = hz_new(t->alloc, struct hz_seat);

  if (s == NULL) return NULL;
  s->here = here;
  s->user = user;
  hz_list_init(&s->calls);
  lock(t);
  bool seated = seat_in(here, claim, s, resumed);
  if (seated) say_token(s->session->token, token);
  unlock(t);
  if (seated) return s;
  hz_free(t->alloc, s);
  return NULL;
}

/* ---- the end ---- */

void hz_sessions_shut(struct hz_sessions *t) {
  if (t != NULL) t->shut = true;
}

void hz_seats_fini(struct hz_seats *here) {
  if (here->table == NULL) return;
  hz_wheel_cancel(&here->env->wheel, &here->tick);
  while (!hz_list_empty(&here->all)) {
    struct hz_seat *s = HZ_CONTAINER(here->all.next, struct hz_seat, of_worker);

    s->busy = true;
    while (!hz_list_empty(&s->calls)) here->ops->forsake(hz_list_pop(&s->calls));
    if (s->session->at == s) s->session->at = NULL;
    seat_free(s);
  }
  here->table = NULL;
}

void hz_sessions_free(struct hz_sessions *t, struct hz_alloc *alloc) {
  if (t == NULL) return;
  while (!hz_list_empty(&t->all)) {
    lasting_free(HZ_CONTAINER(t->all.next, struct hz_lasting, link));
  }
  hz_idmap_fini(&t->tokens);
  (void)pthread_mutex_destroy(&t->lock);
  hz_free(alloc, t);
}

void hz_sessions_sums(struct hz_sessions *t, uint32_t *parked, size_t *bytes) {
  lock(t);
  *parked = t->parked_count;
  *bytes = t->bytes;
  unlock(t);
}
