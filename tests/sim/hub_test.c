/* The hub against peers that do not keep to the rules, byte by byte; and what a connection with
 * subscriptions keeps while it rests. */
#include <criterion/criterion.h>
#include <herz/hub.h>
#include <string.h>

#include "core/app/app.h"
#include "tests/support/hear.h"
#include "tests/support/raw_peer.h"

#define FRAME(len) "\xca\xfe\x01\0\0\0" len "\0"
#define SAY(p, peer, bytes) raw_say((p), (peer), (bytes), sizeof(bytes) - 1)

static const char sub_a[] = FRAME("\x07") "\x94\x08\x01\xa1"
                                          "a\xc0";
static const char unsub[] = FRAME("\x04") "\x92\x09\x01";
static const char pub_a[] = FRAME("\x0a") "\x95\x0a\x02\xa1"
                                          "a\xc0\xa2hi";
static const char pub_mute[] = FRAME("\x0a") "\x95\x0a\xc0\xa1"
                                             "+\xc0\xa2hi";

static void start(struct app_pair *p, struct raw_peer *peer, const char *config) {
  cr_assert(ap_start(p, "sim/hub", 3, "tcp", config));
  raw_connect(p, peer);
}

static void settle(struct app_pair *p) {
  sim_run_for(p->sim, 2 * HZ_SEC);
}

static void finish(struct app_pair *p, struct raw_peer *peer) {
  raw_hang_up(p, peer);
  settle(p);
  cr_assert_eq(hz_tally_get(&p->server->hub->nodes[0].subscriptions), 0);
  ap_stop(p);
}

Test(hub, a_connection_with_subscriptions_rests) {
  struct raw_peer peer;
  struct app_pair p;

  start(&p, &peer, NULL);
  SAY(&p, &peer, unsub); /* of nothing: a frame, so that it is known what the connection is */
  settle(&p);
  size_t before = p.server_env->objects.in_use_bytes;
  SAY(&p, &peer, sub_a);
  settle(&p);
  size_t resting = p.server_env->objects.in_use_bytes;
  cr_assert_leq(resting - before, 96 + 64, "%zu bytes for one subscription", resting - before);
  for (int i = 0; i < 3; i++) {
    cr_assert_eq(herz_publish_text(p.server, "a", "event"), 0);
    settle(&p);
    cr_assert_eq(p.server_env->objects.in_use_bytes, resting, "an event leaves without a session");
  }
  cr_assert_eq(raw_told(&peer).events, 3);
  SAY(&p, &peer, pub_a);
  settle(&p);
  cr_assert_eq(raw_told(&peer).events, 4, "its own");
  cr_assert_eq(raw_told(&peer).acks, 2);
  SAY(&p, &peer, unsub);
  settle(&p);
  cr_assert_eq(p.server_env->objects.in_use_bytes, before);
  cr_assert_eq(raw_told(&peer).errors, 0);
  finish(&p, &peer);
}

Test(hub, what_is_no_topic_is_refused_and_the_connection_stays) {
  static const char bad_sub[] = FRAME("\x0b") "\x94\x08\x07\xa5"
                                              "a/#/b\xc0";
  static const char bad_pub[] = FRAME("\x0a") "\x95\x0a\x08\xa1"
                                              "+\xc0\xa2hi";
  struct raw_peer peer;
  struct app_pair p;

  start(&p, &peer, NULL);
  SAY(&p, &peer, bad_sub);
  settle(&p);
  struct raw_told t = raw_told(&peer);
  cr_assert(t.errors == 1 && t.code == 13 && t.id == 7);
  SAY(&p, &peer, bad_pub);
  SAY(&p, &peer, pub_mute); /* nobody asked to be told */
  settle(&p);
  t = raw_told(&peer);
  cr_assert(t.errors == 2 && t.code == 13 && t.id == 8);
  cr_assert_eq(hz_tally_get(&p.server->first.counters.v[HZ_C_hub_refused]), 3);
  SAY(&p, &peer, pub_a);
  settle(&p);
  cr_assert_eq(raw_told(&peer).acks, 1);
  finish(&p, &peer);
}

/* Credit counts what arrives. A client that asks for both is told so, whoever wrote it. */
Test(hub, credit_for_a_class_that_loses_events_is_refused) {
  static const char datagram[] = FRAME("\x29") "\x94\x08\x07\xa1"
                                               "a\x83\xa5"
                                               "class\xa8"
                                               "datagram\xa4"
                                               "slow\xa5"
                                               "pause\xa6"
                                               "credit\x05";
  static const char deadline[] = FRAME("\x2c") "\x94\x08\x08\xa1"
                                               "a\x83\xa5"
                                               "class\xa6"
                                               "stream\xa4"
                                               "slow\xa5"
                                               "pause\xab"
                                               "deadline_ms\x05";
  static const char reliable[] = FRAME("\x27") "\x94\x08\x09\xa1"
                                               "a\x83\xa5"
                                               "class\xa6"
                                               "stream\xa4"
                                               "slow\xa5"
                                               "pause\xa6"
                                               "credit\x05";
  struct raw_peer peer;
  struct app_pair p;

  start(&p, &peer, NULL);
  SAY(&p, &peer, datagram);
  settle(&p);
  struct raw_told t = raw_told(&peer);
  cr_assert(t.errors == 1 && t.code == 13 && t.id == 7, "%u %" PRIu64, t.errors, t.code);
  SAY(&p, &peer, deadline);
  settle(&p);
  t = raw_told(&peer);
  cr_assert(t.errors == 2 && t.code == 13 && t.id == 8);
  cr_assert_eq(hz_tally_get(&p.server->first.counters.v[HZ_C_hub_refused]), 2);
  SAY(&p, &peer, reliable);
  settle(&p);
  t = raw_told(&peer);
  cr_assert(t.errors == 2 && t.acks == 1);
  finish(&p, &peer);
}

Test(hub, an_id_stands_for_one_subscription) {
  struct raw_peer peer;
  struct app_pair p;

  start(&p, &peer, NULL);
  SAY(&p, &peer, sub_a);
  SAY(&p, &peer, sub_a);
  settle(&p);
  struct raw_told t = raw_told(&peer);
  cr_assert(t.errors == 1 && t.code == 5 && t.id == 0, "the connection is closed");
  finish(&p, &peer);
}

/* It gets its thousand, and each that is over is refused by its id. */
Test(hub, a_client_that_subscribes_without_end_meets_its_bound) {
  struct raw_peer peer;
  struct app_pair p;
  char frame[32];

  start(&p, &peer, "limits.send_high_bytes=16777216");
  for (unsigned i = 1; i <= 1200; i++) {
    int n = snprintf(frame + 9, sizeof(frame) - 9, "%c%c%c%c%c%ct/%05u", 0x94, 0x08, 0xcd, i >> 8,
                     i & 255, 0xa7, i);
    memcpy(frame, "\xca\xfe\x01\0\0\0", 6);
    n = 6 + 7;
    frame[6] = (char)(n + 2);
    frame[7] = 0;
    memmove(frame + 8, frame + 9, (size_t)n);
    frame[8 + n] = (char)0xc0;
    raw_say(&p, &peer, frame, (size_t)n + 9);
    if (i % 100 == 0) settle(&p);
  }
  settle(&p);
  cr_assert_eq(hz_tally_get(&p.server->hub->nodes[0].subscriptions), 1000);
  struct raw_told t = raw_told(&peer);
  cr_assert_eq(t.acks, 1000);
  cr_assert_eq(t.errors, 200);
  cr_assert_eq(t.code, 6);
  cr_assert_neq(t.id, 0);
  finish(&p, &peer);
}

/* Credit for what is no subscription any more crossed with its end. */
Test(hub, late_credit_and_late_unsub_are_no_errors) {
  static const char credit[] = FRAME("\x05") "\x93\x07\x01\x05";
  struct raw_peer peer;
  struct app_pair p;

  start(&p, &peer, NULL);
  SAY(&p, &peer, sub_a);
  SAY(&p, &peer, credit);
  SAY(&p, &peer, unsub);
  SAY(&p, &peer, credit);
  SAY(&p, &peer, unsub);
  SAY(&p, &peer, pub_a);
  settle(&p);
  struct raw_told t = raw_told(&peer);
  cr_assert(t.errors == 0 && t.acks == 2 && t.events == 0);
  finish(&p, &peer);
}

/* Forty subscribe and unsubscribe five times while events go to forty others. */
Test(hub, subscribing_in_crowds_during_a_fan_out_harms_nobody) {
  enum { STEADY = 40, RESTLESS = 40, ROUNDS = 50 };
  static struct hearer steady[STEADY], restless[RESTLESS];
  herz_client *cl[STEADY + RESTLESS];
  struct herz_subscribe_options o = {.pattern = "fan/#"};
  struct app_pair p;

  memset(steady, 0, sizeof(steady));
  memset(restless, 0, sizeof(restless));
  cr_assert(ap_start(&p, "sim/hub", 9, "tcp", NULL));
  for (int i = 0; i < STEADY + RESTLESS; i++) {
    cl[i] = herz_dial(p.client, p.url, NULL);
    struct hearer *h = i < STEADY ? &steady[i] : &restless[i - STEADY];
    cr_assert_eq(herz_subscribe(cl[i], &o, hear, h, &h->sub), 0);
  }
  sim_run_for(p.sim, HZ_SEC);
  for (uint64_t round = 0; round < ROUNDS; round++) {
    say_numbers(p.server, "fan/1", 20 * round, 20 * round + 10, 100);
    for (int i = 0; i < RESTLESS; i++) {
      herz_unsubscribe(restless[i].sub);
      for (int k = 0; k < 5; k++) {
        o.pattern = k == 4 ? "fan/#" : "fan/+";
        cr_assert_eq(herz_subscribe(cl[STEADY + i], &o, hear, &restless[i], &restless[i].sub), 0);
        if (k < 4) herz_unsubscribe(restless[i].sub);
      }
    }
    sim_run_for(p.sim, HZ_MS);
    say_numbers(p.server, "fan/1", 20 * round + 10, 20 * round + 20, 100);
    sim_run_for(p.sim, 20 * HZ_MS);
  }
  sim_run_for(p.sim, HZ_SEC);
  for (int i = 0; i < STEADY; i++) {
    cr_assert(steady[i].events == 20 * ROUNDS && steady[i].wrong == 0 && steady[i].gaps == 0);
  }
  cr_assert_eq(hz_tally_get(&p.server->hub->nodes[0].subscriptions), STEADY + RESTLESS);
  hz_clients_close(&p.client->first);
  ap_stop(&p);
}
