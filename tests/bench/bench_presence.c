/* Presence of a topic with 100,000 members: one comes and goes, how many there are, and a message of a window in
 * which a hundred came. Prints what a member takes, too. */
#include <malloc.h>

#include "core/pubsub/hub.h"
#include "tests/bench/micro.h"
#include "tests/support/test_env.h"

enum { MEMBERS = 100000 };

static struct test_env te;
static struct hz_limits limits;
static struct hz_counters counters;
static struct hz_hub *hub;
static const struct hz_str topic = {"room/7", 6}, small = {"room/8", 6};

static void come(struct hz_str where, uint64_t id) {
  struct hz_who who = {id, HZ_STR("somebody"), {NULL, 0}};

  MICRO_CHECK(hz_presence_join(&hub->nodes[0], where, &who) == HZ_OK);
}

static void come_and_go(uint64_t ops) {
  for (uint64_t i = 0; i < ops; i++) {
    come(topic, MEMBERS + 1 + i);
    hz_presence_leave(&hub->nodes[0], topic, MEMBERS + 1 + i, false);
  }
}

static void count(uint64_t ops) {
  uint64_t n = 0;

  for (uint64_t i = 0; i < ops; i++) n += hz_presence_look(&hub->presence, topic, NULL, 0);
  MICRO_CHECK(n == ops * MEMBERS);
}

static void say(struct hz_str where, uint64_t ops) {
  uint64_t hash;
  size_t len;

  for (uint64_t i = 0; i < ops; i++) {
    const struct hz_attended *a = hz_presence_find(&hub->presence, where, &hash);
    uint8_t *text = hz_presence_say(&hub->presence, a, true, &len);

    MICRO_CHECK(text != NULL);
    micro_keep(text);
    hz_free(hub->presence.alloc, text);
  }
}
static void say_numbers(uint64_t ops) {
  say(topic, ops);
}
static void say_list(uint64_t ops) {
  say(small, ops);
}

/* Large pieces lie outside of the heap. */
static size_t taken(void) {
  struct mallinfo2 m = mallinfo2();

  return m.uordblks + m.hblkhd;
}

int main(int argc, char **argv) {
  MICRO_CHECK(test_env_init(&te, NULL, 1) == HZ_OK);
  hz_limits_defaults(&limits);
  hub = hz_hub_new(&te.env, false, &limits, 1);
  MICRO_CHECK(hub != NULL && hz_hub_node_init(hub, 0, &te.env, &counters) == HZ_OK);
  size_t before = taken();
  for (uint64_t i = 1; i <= MEMBERS; i++) come(topic, i);
  size_t bytes = taken() - before;
  for (uint64_t i = 1; i <= 256; i++) come(small, i);
  static const struct micro_path all[] = {
      {"presence/come_and_go", MEMBERS, 20000, NULL, come_and_go, 0},
      {"presence/count", MEMBERS, 20000, NULL, count, 0},
      {"presence/say_numbers", MEMBERS, 20000, NULL, say_numbers, 0},
      {"presence/say_list_of_256", 1000, 100, NULL, say_list, 0},
  };
  if (argc < 2) printf("%zu bytes a member\n", bytes / MEMBERS);
  int rc = micro_main(argc, argv, all, sizeof(all) / sizeof(all[0]));
  hz_hub_free(hub, te.env.alloc);
  test_env_fini(&te);
  return rc;
}
