/* Listening and its bookkeeping: who is in, how many handshakes are under way and from where.
 * Not here: packets (accept.c). */
#include "transports/quic/listener.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "transports/quic/steer.h"

static void drained(struct hz_udp *udp) {
  (void)udp; /* each connection writes at the turn's end */
}

static void writable(struct hz_udp *udp) {
  struct hz_quic_listener *ln = udp->user;
  hz_quic_outbox_writable(&ln->out);
}

void hz_quic_note(struct hz_quic_listener *ln, const char *what, const char *detail) {
  if (ln->base.note != NULL) ln->base.note(&ln->base, what, detail);
}

/* A network that one customer gets (/24, /48) is the unit that limits apply to. */
static uint32_t prefix_slot(const struct hz_quic_listener *ln, const struct hz_addr *peer) {
  uint8_t key[7] = {0};
  if (peer->u.sa.sa_family == AF_INET) {
    const struct sockaddr_in *in = (const void *)&peer->u.storage;
    memcpy(key, &in->sin_addr, 3);
  } else if (peer->u.sa.sa_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const void *)&peer->u.storage;
    memcpy(key, &in6->sin6_addr, 6);
    key[6] = 1;
  }
  return (uint32_t)hz_quic_hash(&ln->hash_key, key, sizeof(key)) & (HZ_QUIC_PREFIX_SLOTS - 1);
}

uint32_t hz_quic_prefix_count(const struct hz_quic_listener *ln, const struct hz_addr *peer) {
  return ln->prefixes[prefix_slot(ln, peer)];
}

void hz_quic_listener_half_open(struct hz_quic_conn *c) {
  c->prefix = (uint16_t)prefix_slot(c->ln, &c->peer);
  c->half_open = true;
  c->ln->half_open++;
  c->ln->prefixes[c->prefix]++;
}

void hz_quic_listener_settled(struct hz_quic_conn *c) {
  if (!c->half_open) return;
  c->half_open = false;
  c->ln->half_open--;
  c->ln->prefixes[c->prefix]--;
}

static void free_listener(struct hz_iolistener *io) {
  struct hz_quic_listener *ln = HZ_CONTAINER(io, struct hz_quic_listener, io);
  struct hz_alloc *alloc = ln->base.env->alloc;
  hz_quic_tombs_free(ln);
  if (ln->base.share.ends != NULL) ln->base.share.ends[ln->base.share.index].listener = NULL;
  hz_quic_outbox_fini(&ln->out);
  if (ln->udp != NULL) ln->net->udp_close(ln->udp);
  hz_quic_cid_table_fini(&ln->cids);
  hz_quic_replay_fini(&ln->replay);
  hz_tls_ctx_unref(ln->tls);
  hz_free(alloc, ln->prefixes);
  ngtcp2_secure_clear(&ln->keys, sizeof(ln->keys));
  hz_free(alloc, ln);
}

void hz_quic_listener_enter(struct hz_quic_conn *c) {
  hz_list_push(&c->ln->conns, &c->ln_link);
  c->ln->conn_count++;
  hz_iolistener_ref(&c->ln->base);
}

void hz_quic_listener_leave(struct hz_quic_conn *c) {
  struct hz_quic_listener *ln = c->ln;
  hz_quic_listener_settled(c);
  hz_quic_cid_remove_all(&ln->cids, &c->route);
  hz_list_remove(&c->ln_link);
  ln->conn_count--;
  hz_iolistener_unref(&ln->base);
}

void hz_quic_unlisten(struct hz_listener *base) {
  struct hz_quic_listener *ln = HZ_CONTAINER(base, struct hz_quic_listener, base);
  ln->stopped = true;
  hz_iolistener_unref(base);
}

static void make_keys(struct hz_quic_listener *ln, struct hz_env *env) {
  static const uint8_t unset[32];
  uint8_t secret[32];
  memcpy(secret, ln->base.config.packet.reset_key, sizeof(secret));
  if (memcmp(secret, unset, sizeof(secret)) == 0) env->ops->random(env, secret, sizeof(secret));
  hz_quic_keys_init(&ln->keys, secret);
  ngtcp2_secure_clear(secret, sizeof(secret));
  env->ops->random(env, &ln->hash_key, sizeof(ln->hash_key));
}

static hz_err set_up(struct hz_quic_listener *ln, const struct hz_endpoint *at, char *why,
                     size_t why_len) {
  struct hz_env *env = ln->base.env;
  struct hz_limits *l = &ln->base.config.limits;
  hz_limits_defaults(l);
  make_keys(ln, env);
  uint64_t cids = (uint64_t)l->connections * 12 + (uint64_t)l->closed_kept * 12;
  hz_quic_cid_table_init(&ln->cids, env->alloc, ln->hash_key,
                         cids < UINT32_MAX ? (uint32_t)cids : UINT32_MAX);
  hz_quic_replay_init(&ln->replay, env->alloc, ln->hash_key);
  ln->vneg = ln->reset = ln->refuse = (struct hz_limiter){.interval_ns = 10 * HZ_MS, .burst = 100};
  ln->prefixes = hz_calloc(env->alloc, HZ_QUIC_PREFIX_SLOTS, sizeof(uint16_t));
  if (ln->prefixes == NULL) return HZ_ENOMEM;

  char alpn[HZ_QUIC_ALPN_LIST_MAX];
  hz_quic_app_list(alpn);
  const struct hz_tls_params params = {.role = HZ_SERVER, .use = HZ_TLS_QUIC, .alpn = alpn};
  hz_err err = hz_tls_ctx_new(env->alloc, &ln->base.config.tls, &params, &ln->tls, why, why_len);
  if (err != HZ_OK) {
    ln->tls = NULL;
    return err;
  }
  if (!hz_quic_tls_attach(ln->tls)) {
    (void)snprintf(why, why_len, "the TLS library refuses QUIC");
    return HZ_ETLS;
  }
  struct hz_filter_step pick[HZ_QUIC_STEER_STEPS];
  const struct hz_udp proto = {.env = env,
                               .port_use = hz_port_use(&ln->base.share),
                               .pick = pick,
                               .pick_steps = hz_quic_steer_program(ln->base.share.count, pick),
                               .received = hz_quic_listener_received,
                               .drained = drained,
                               .writable = writable,
                               .user = ln};
  err = ln->net->udp_open(env, at, false, &proto, &ln->udp, NULL, why, why_len);
  if (err != HZ_OK) {
    ln->udp = NULL;
    return err;
  }
  return hz_quic_outbox_init(&ln->out, ln->net, ln->udp, HZ_QUIC_OUTBOX_MANY);
}

static uint16_t port_of(const struct hz_addr *a) {
  /* Both families have the port in the same place. */
  const struct sockaddr_in *in = (const void *)&a->u.storage;
  return ntohs(in->sin_port);
}

hz_err hz_quic_listen(const struct hz_listener *proto, const struct hz_endpoint *at,
                      struct hz_listener **out, char *why, size_t why_len) {
  struct hz_env *env = proto->env;
  if (hz_net_of(env) == NULL) {
    (void)snprintf(why, why_len, "quic: this environment has no network");
    return HZ_EUNSUPPORTED;
  }
  struct hz_quic_listener *ln = hz_new(env->alloc, struct hz_quic_listener);
  if (ln == NULL) {
    (void)snprintf(why, why_len, "quic: %s", hz_strerror(HZ_ENOMEM));
    return HZ_ENOMEM;
  }
  ln->base = *proto;
  ln->io.refs = 1;
  ln->io.free = free_listener;
  ln->net = hz_net_of(env);
  hz_list_init(&ln->conns);
  hz_list_init(&ln->tombs);
  if (why_len > 0) why[0] = '\0';
  hz_err err = set_up(ln, at, why, why_len);
  if (err != HZ_OK) {
    if (why_len > 0 && why[0] == '\0') (void)snprintf(why, why_len, "quic: %s", hz_strerror(err));
    hz_iolistener_unref(&ln->base);
    return err;
  }
  ln->base.bound = *at;
  ln->base.bound.port = port_of(&ln->udp->bound);
  *out = &ln->base;
  return HZ_OK;
}
