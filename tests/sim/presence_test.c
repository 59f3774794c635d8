/* Who is on a topic: a crowd that comes and goes at random, and watchers who know what they were told; what is
 * never told, what is repaired. Not here: bounds and bad input (presence_bounds_test.c). */
#include "tests/support/presence_world.h"

static void tapped(const struct herz_event *e, void *arg) {
  crowd_hear(NULL, e, arg);
}

/* Knows exactly who is there. */
static void check_known(struct app_pair *p, const char *topic, const struct crowd *c) {
  struct herz_member m[64];
  uint64_t n = herz_members(p->server, topic, m, 64);

  cr_assert(c->known, "%s: %u messages, version %u", topic, c->messages, (unsigned)c->version);
  cr_assert_eq(c->members, n, "%s: %u are known of %u", topic, c->members, (unsigned)n);
  for (uint64_t i = 0; i < n; i++) {
    uint32_t at = crowd_find(c, m[i].id);

    cr_assert_lt(at, c->members, "%s: member %u is not known", topic, (unsigned)m[i].id);
    cr_assert_str_eq(c->as[at], m[i].as);
  }
}

static const char *const schemes[] = {"tcp", "ws", "quic"};
#define FOR_SCHEMES(s) for (size_t i_ = 0; i_ < 3 && ((s) = schemes[i_]) != NULL; i_++)

Test(presence, who_comes_and_goes_is_told, .timeout = 120) {
  const char *scheme;
  FOR_SCHEMES(scheme) {
    struct crowd before, late, all_rooms;
    struct app_pair p;

    start(&p, scheme, NULL);
    watch(&p, p.cl, OF(ROOM), &before);
    watch(&p, p.cl, "$presence/#", &all_rooms);
    settle(&p);
    cr_assert(before.messages == 1 && before.known && before.count == 0, "an empty room");
    cr_assert_eq(all_rooms.messages, 0);
    herz_client *anna = dial(&p, false), *bert = dial(&p, false);
    herz_subscription *one = enter(anna, ROOM, "anna"), *again = enter(anna, ROOM, "anna");
    (void)enter(bert, ROOM, NULL);
    (void)enter(bert, "room/+", "bert"); /* hears it, and is not on it */
    settle(&p);
    cr_assert_eq(herz_member_count(p.server, ROOM), 2);
    watch(&p, p.cl, OF(ROOM), &late);
    settle(&p);
    check_known(&p, ROOM, &before);
    check_known(&p, ROOM, &late);
    cr_assert(all_rooms.known && all_rooms.members == 2);
    herz_unsubscribe(one);
    settle(&p);
    cr_assert_eq(herz_member_count(p.server, ROOM), 2, "its other subscription stands");
    herz_unsubscribe(again);
    settle(&p);
    check_known(&p, ROOM, &before);
    cr_assert_eq(before.members, 1);
    herz_client_close(bert);
    settle(&p);
    cr_assert(before.known && before.members == 0 && late.known && late.members == 0);
    cr_assert(counted(&p, HZ_C_presence_joins) == 2 && counted(&p, HZ_C_presence_leaves) == 2);
    herz_client_close(anna);
    ap_stop(&p);
  }
}

/* ---- a crowd ---- */

#define PEOPLE 24u
#define ROOMS 3u

static const char *const rooms[ROOMS] = {"room/a", "room/b", "room/c"};
static const char *const told_rooms[ROOMS] = {OF("room/a"), OF("room/b"), OF("room/c")};

struct person {
  herz_client *cl;
  herz_subscription *in[ROOMS];
};

static void move(struct app_pair *p, struct person *who, uint32_t number) {
  struct hz_rng *rng = sim_rng(p->sim);
  uint32_t room = (uint32_t)hz_rng_below(rng, ROOMS);
  char as[16];

  if (who->cl == NULL) {
    who->cl = dial(p, hz_rng_below(rng, 2) == 0);
  } else if (hz_rng_below(rng, 12) == 0) {
    herz_client_close(who->cl);
    memset(who, 0, sizeof(*who));
  } else if (who->in[room] != NULL) {
    herz_unsubscribe(who->in[room]);
    who->in[room] = NULL;
  } else {
    (void)snprintf(as, sizeof(as), "p%u.%u", number, (unsigned)hz_rng_below(rng, 2));
    who->in[room] = enter(who->cl, rooms[room], as);
  }
}

static void disturb(struct app_pair *p) {
  sim_kill_streams(p->sim, p->client_env);
  sim_unplug(p->sim, p->client_env, true);
  sim_run_for(p->sim, hz_rng_below(sim_rng(p->sim), 8000) * HZ_MS);
  sim_unplug(p->sim, p->client_env, false);
}

static void run_crowd(const char *scheme, uint64_t seed) {
  static struct crowd near[ROOMS], far[ROOMS];
  struct person people[PEOPLE] = {{NULL, {NULL}}};
  struct app_pair p;

  cr_assert(ap_start(&p, "sim/presence", seed, scheme,
                     "presence=room/#\nlimits.resume_grace_ms=5000\nlimits.idle_timeout_ms=4000"));
  memset(near, 0, sizeof(near));
  p.cl = dial(&p, false);
  for (uint32_t i = 0; i < ROOMS; i++) {
    cr_assert_not_null(herz_tap_new(p.server, told_rooms[i], tapped, &near[i]));
    watch(&p, p.cl, told_rooms[i], &far[i]);
  }
  for (int i = 0; i < 600; i++) {
    uint32_t n = (uint32_t)hz_rng_below(sim_rng(p.sim), PEOPLE);

    move(&p, &people[n], n);
    if (hz_rng_below(sim_rng(p.sim), 4) == 0) {
      sim_run_for(p.sim, hz_rng_below(sim_rng(p.sim), 700) * HZ_MS);
    }
    if (hz_rng_below(sim_rng(p.sim), 120) == 0) disturb(&p);
  }
  sim_run_for(p.sim, 60 * HZ_SEC);
  for (uint32_t i = 0; i < ROOMS; i++) {
    uint64_t inside = 0;

    for (uint32_t n = 0; n < PEOPLE; n++) inside += people[n].in[i] != NULL;
    cr_assert_eq(herz_member_count(p.server, rooms[i]), inside, "%s, seed %u", scheme,
                 (unsigned)seed);
    check_known(&p, rooms[i], &near[i]);
    check_known(&p, rooms[i], &far[i]);
  }
  for (uint32_t n = 0; n < PEOPLE; n++) {
    if (people[n].cl != NULL) herz_client_close(people[n].cl);
  }
  sim_run_for(p.sim, 60 * HZ_SEC);
  cr_assert_eq(p.server->hub->presence.topics.count, 0, "nothing is left");
  cr_assert_eq(counted(&p, HZ_C_presence_joins), counted(&p, HZ_C_presence_leaves));
  ap_stop(&p);
}

Test(presence, a_crowd_is_known_over_tcp, .timeout = 120) {
  SIM_FOR_SEEDS(seed, 1, 20) run_crowd("tcp", seed);
}
Test(presence, a_crowd_is_known_over_ws, .timeout = 120) {
  SIM_FOR_SEEDS(seed, 1, 10) run_crowd("ws", seed);
}
Test(presence, a_crowd_is_known_over_quic, .timeout = 120) {
  SIM_FOR_SEEDS(seed, 1, 10) run_crowd("quic", seed);
}

/* ---- what is never told ---- */

Test(presence, a_session_that_comes_back_was_never_away, .timeout = 120) {
  struct crowd c;
  struct app_pair p;

  memset(&c, 0, sizeof(c));
  start(&p, "tcp", "limits.resume_grace_ms=10000");
  cr_assert_not_null(herz_tap_new(p.server, OF(ROOM), tapped, &c));
  herz_client *cl = dial(&p, true);
  (void)enter(cl, ROOM, "anna");
  settle(&p);
  cr_assert(c.known && c.members == 1);
  uint64_t id = c.id[0];
  for (int i = 0; i < 3; i++) {
    sim_kill_streams(p.sim, p.client_env);
    sim_unplug(p.sim, p.client_env, true);
    sim_run_for(p.sim, 6 * HZ_SEC);
    cr_assert_eq(herz_member_count(p.server, ROOM), 1, "it may come back");
    sim_unplug(p.sim, p.client_env, false);
    sim_run_for(p.sim, 10 * HZ_SEC);
  }
  cr_assert_eq(counted(&p, HZ_C_sessions_resumed), 3);
  cr_assert(c.leaves == 0 && c.members == 1 && c.id[0] == id);
  sim_kill_streams(p.sim, p.client_env);
  sim_unplug(p.sim, p.client_env, true);
  sim_run_for(p.sim, 12 * HZ_SEC);
  cr_assert(c.known && c.members == 0, "it did not come back in time");
  sim_unplug(p.sim, p.client_env, false);
  sim_run_for(p.sim, 30 * HZ_SEC);
  cr_assert(c.members == 1 && c.id[0] != id, "in a new session it is another");
  herz_client_close(cl); /* says goodbye */
  settle(&p);
  cr_assert(c.known && c.members == 0);
  ap_stop(&p);
}

Test(presence, who_comes_and_goes_at_once_is_never_mentioned, .timeout = 120) {
  struct crowd c;
  struct app_pair p;

  memset(&c, 0, sizeof(c));
  start(&p, "tcp", NULL);
  cr_assert_not_null(herz_tap_new(p.server, OF(ROOM), tapped, &c));
  (void)enter(p.cl, ROOM, "stays");
  settle(&p);
  uint32_t before = c.messages;
  for (int i = 0; i < 500; i++) {
    herz_client *cl = dial(&p, false);

    herz_subscription *s = enter(cl, ROOM, "restless");
    sim_run_for(p.sim, 20 * HZ_MS);
    herz_unsubscribe(s);
    herz_client_close(cl);
    sim_run_for(p.sim, 2 * HZ_MS);
  }
  settle(&p);
  cr_assert_eq(counted(&p, HZ_C_presence_joins), 501);
  /* 11 s in windows of 200 ms, and one whole list at the end. */
  cr_assert_leq(c.messages - before, 57);
  cr_assert_leq(c.joins, 57, "one may be there when a window ends");
  check_known(&p, ROOM, &c);
  ap_stop(&p);
}

/* ---- large topics ---- */

Test(presence, a_large_topic_tells_numbers_alone, .timeout = 120) {
  herz_subscription *s[20];
  herz_client *cl[20];
  struct crowd c;
  struct app_pair p;

  start(&p, "tcp", "limits.presence_list=8");
  watch(&p, p.cl, OF(ROOM), &c);
  for (uint32_t i = 0; i < 20; i++) {
    cl[i] = dial(&p, false);
    s[i] = enter(cl[i], ROOM, "one of many");
  }
  settle(&p);
  cr_assert(c.numbers && c.count == 20);
  for (uint32_t i = 0; i < 15; i++) herz_unsubscribe(s[i]);
  settle(&p);
  cr_assert(!c.numbers && c.count == 5);
  check_known(&p, ROOM, &c);
  for (uint32_t i = 0; i < 20; i++) herz_client_close(cl[i]);
  settle(&p);
  cr_assert(c.known && c.count == 0);
  ap_stop(&p);
}

/* A hundred thousand: what they take, and what is told of them. */
Test(presence, a_hundred_thousand_are_counted_cheaply, .timeout = 120) {
  const uint64_t n = 100000;
  struct crowd c;
  struct app_pair p;

  memset(&c, 0, sizeof(c));
  start(&p, "tcp", NULL);
  cr_assert_not_null(herz_tap_new(p.server, OF(ROOM), tapped, &c));
  struct hz_hub_node *node = &p.server->hub->nodes[0];
  for (uint64_t i = 1; i <= n; i++) {
    struct hz_who who = {hz_presence_id(&p.server->hub->presence), {NULL, 0}, {NULL, 0}};

    cr_assert_eq(hz_presence_join(node, HZ_STR(ROOM), &who), HZ_OK);
    if (i % 1000 == 0) sim_run_for(p.sim, 50 * HZ_MS);
  }
  sim_run_for(p.sim, 20 * HZ_SEC);
  cr_assert(c.count == n && c.numbers);
  cr_assert_eq(herz_member_count(p.server, ROOM), n);
  cr_assert_leq(c.messages, 30, "the larger, the rarer");
  for (uint64_t i = 1; i <= n; i++) hz_presence_leave(node, HZ_STR(ROOM), i, false);
  sim_run_for(p.sim, 20 * HZ_SEC);
  cr_assert(c.count == 0 && c.known);
  cr_assert_eq(p.server->hub->presence.topics.count, 0);
  ap_stop(&p);
}

/* ---- repair ---- */

/* Its line is slower than what is told: it misses messages, knows that it does, and ends with the right list. */
Test(presence, who_missed_changes_is_repaired, .timeout = 120) {
  struct crowd slow, latest;
  struct app_pair p;

  start(&p, "tcp",
        "limits.send_high_bytes=4096\nlimits.sub_queue_events=1\n"
        "limits.presence_window_ms=1");
  sim_path(
      p.sim, AP_SERVER, AP_CLIENT,
      &(struct sim_link){
          .delay_ns = 5 * HZ_MS, .rate_bytes = 3000, .queue_bytes = 4000, .window_bytes = 2000});
  watch(&p, p.cl, OF(ROOM), &slow);
  memset(&latest, 0, sizeof(latest));
  cr_assert_eq(
      herz_subscribe(p.cl,
                     &(struct herz_subscribe_options){.pattern = OF(ROOM), .delivery = HERZ_LATEST},
                     crowd_hear, &latest, NULL),
      0);
  sim_run_for(p.sim, 5 * HZ_SEC);
  struct hz_hub_node *node = &p.server->hub->nodes[0];
  for (uint64_t i = 0; i < 2000; i++) {
    struct hz_who who = {1 + i % 40, HZ_STR("someone"), {NULL, 0}};

    if (i % 80 < 40)
      cr_assert_eq(hz_presence_join(node, HZ_STR(ROOM), &who), HZ_OK);
    else
      hz_presence_leave(node, HZ_STR(ROOM), who.id, false);
    if (i == 1959 + 20) break; /* half of them stay */
    sim_run_for(p.sim, 2 * HZ_MS);
  }
  sim_run_for(p.sim, 60 * HZ_SEC);
  cr_assert_gt(slow.gaps, 0, "it was slow");
  cr_assert_lt(latest.messages, counted(&p, HZ_C_presence_messages));
  check_known(&p, ROOM, &slow);
  check_known(&p, ROOM, &latest);
  for (uint64_t i = 1; i <= 40; i++) hz_presence_leave(node, HZ_STR(ROOM), i, false);
  ap_stop(&p);
}
