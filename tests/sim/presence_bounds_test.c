/* Presence against those who want more than there is, call themselves what they may not, say who is there, or may not know.
 * Not here: what is told to everybody else (presence_test.c). */
#include "tests/support/presence_world.h"
#include "tests/support/raw_peer.h"

static void send_on(struct app_pair *p, struct raw_peer *peer, struct hz_buf *b, hz_err err) {
  cr_assert_eq(err, HZ_OK);
  cr_assert_eq(hz_frame_seal(b, 0), HZ_OK);
  raw_say(p, peer, hz_buf_data(b), b->len);
  hz_buf_unref(b);
  settle(p);
}

static void say_sub(struct app_pair *p, struct raw_peer *peer, uint64_t id, const char *topic,
                    struct hz_str as) {
  struct hz_sub_options o = {.as = as};
  struct hz_buf *b = hz_buf_new(&p->client_env->pool, hz_sub_size(hz_str_of(topic), &o));

  send_on(p, peer, b, hz_encode_sub(b, id, hz_str_of(topic), &o));
}

static void say_pub(struct app_pair *p, struct raw_peer *peer, uint64_t id, const char *topic) {
  struct hz_body body = {HZ_BODY_TEXT, HZ_STR("forged")};
  struct hz_buf *b =
      hz_buf_new(&p->client_env->pool, hz_pub_size(hz_str_of(topic), NULL, 0, &body));

  send_on(p, peer, b, hz_encode_pub(b, true, id, hz_str_of(topic), NULL, 0, &body));
}

Test(presence_bounds, what_a_member_may_not_be_called_is_refused, .timeout = 120) {
  static const char name[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                             "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef!";
  struct raw_peer peer;
  struct app_pair p;
  struct raw_told t;

  start(&p, "tcp", NULL);
  memset(&peer, 0, sizeof(peer));
  raw_connect(&p, &peer);
  say_sub(&p, &peer, 1, ROOM, (struct hz_str){name, 128});
  t = raw_told(&peer);
  cr_assert(t.acks == 1 && t.errors == 0);
  say_sub(&p, &peer, 2, ROOM, (struct hz_str){name, 129});
  t = raw_told(&peer);
  cr_assert(t.errors == 1 && t.code == HZ_WIRE_TOPIC && t.id == 2);
  say_sub(&p, &peer, 3, "no/presence", HZ_STR("a\nb"));
  t = raw_told(&peer);
  cr_assert(t.errors == 2 && t.code == HZ_WIRE_TOPIC && t.id == 3);
  cr_assert_eq(herz_member_count(p.server, ROOM), 1);
  struct herz_subscribe_options o = {.pattern = ROOM, .as = name};
  cr_assert_eq(herz_subscribe(p.cl, &o, nothing, NULL, NULL), HERZ_EINVAL);
  raw_hang_up(&p, &peer);
  ap_stop(&p);
}

Test(presence_bounds, nobody_but_the_service_says_who_is_there, .timeout = 120) {
  struct raw_peer peer;
  struct crowd c;
  struct app_pair p;

  start(&p, "tcp", NULL);
  watch(&p, p.cl, OF(ROOM), &c);
  memset(&peer, 0, sizeof(peer));
  raw_connect(&p, &peer);
  say_pub(&p, &peer, 4, OF(ROOM));
  struct raw_told t = raw_told(&peer);
  cr_assert(t.errors == 1 && t.code == HZ_WIRE_DENIED && t.id == 4);
  cr_assert_eq(c.messages, 1);
  raw_hang_up(&p, &peer);
  ap_stop(&p);
}

Test(presence_bounds, members_are_bounded, .timeout = 120) {
  struct raw_peer peer;
  struct app_pair p;
  int refused = 0;

  start(&p, "tcp", "limits.presence_members=2");
  herz_client *cl = dial(&p, false);
  (void)enter(p.cl, ROOM, "a");
  (void)enter(cl, "room/8", "b");
  settle(&p);
  memset(&peer, 0, sizeof(peer));
  raw_connect(&p, &peer);
  say_sub(&p, &peer, 1, ROOM, HZ_STR("c"));
  struct raw_told t = raw_told(&peer);
  cr_assert(t.errors == 1 && t.code == HZ_WIRE_LIMIT && t.id == 1);
  say_sub(&p, &peer, 2, "elsewhere", HZ_STR("c"));
  cr_assert_eq(raw_told(&peer).acks, 1, "without presence it is served");
  (void)enter(p.cl, ROOM, "a"); /* who is there already takes no place */
  cr_assert_eq(herz_subscribe(cl, &(struct herz_subscribe_options){.pattern = ROOM}, nothing,
                              &refused, NULL),
               0);
  settle(&p);
  cr_assert_eq(refused, HERZ_ELIMIT);
  cr_assert(herz_member_count(p.server, ROOM) == 1 && herz_member_count(p.server, "room/8") == 1);
  raw_hang_up(&p, &peer);
  herz_client_close(cl);
  ap_stop(&p);
}

/* "$presence/" and a topic are one topic together; one that is too long for that has none. */
Test(presence_bounds, a_topic_may_be_too_long_to_be_told_of, .timeout = 120) {
  char topic[513];
  struct app_pair p;

  memset(topic, 'x', sizeof(topic));
  memcpy(topic, "room/", 5);
  start(&p, "tcp", NULL);
  topic[503] = '\0';
  (void)enter(p.cl, topic, "too long");
  settle(&p);
  cr_assert_eq(herz_member_count(p.server, topic), 0);
  topic[502] = '\0';
  (void)enter(p.cl, topic, "just right");
  settle(&p);
  cr_assert_eq(herz_member_count(p.server, topic), 1);
  ap_stop(&p);
}

/* ---- who may know ---- */

static bool not_the_secret(const struct herz_asker *who, void *arg) {
  (void)arg;
  return strcmp(who->topic, OF("room/secret")) != 0;
}

static void topics_and_a_secret(herz_app *server) {
  cr_assert_eq(herz_topic_routes(server, "/topics"), 0);
  cr_assert_eq(herz_may_subscribe(server, not_the_secret, NULL), 0);
}

Test(presence_bounds, who_may_not_hear_of_members_is_not_told_over_http_either, .timeout = 120) {
  struct ap_result no = {.done = 0}, yes = {.done = 0};
  struct app_pair p;
  int refused = 0;

  ap_more_routes = topics_and_a_secret;
  start(&p, "tcp", NULL);
  ap_more_routes = NULL;
  (void)enter(p.cl, "room/secret", "anna");
  cr_assert_eq(herz_subscribe(p.cl, &(struct herz_subscribe_options){.pattern = OF("room/secret")},
                              nothing, &refused, NULL),
               0);
  settle(&p);
  cr_assert(refused == HERZ_EREFUSED && herz_member_count(p.server, "room/secret") == 1);
  cr_assert(ap_call(&p, "GET", "/topics/room/secret?members", NULL, 0, &no));
  cr_assert(ap_call(&p, "GET", "/topics/" ROOM "?members", NULL, 0, &yes));
  settle(&p);
  cr_assert(no.status == 403 && yes.status == 200, "%d %d", no.status, yes.status);
  ap_stop(&p);
}
