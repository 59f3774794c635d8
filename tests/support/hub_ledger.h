/* The ledger of recovery: who published what, who was cut off when, and who heard what. Not here: the world and what
 * is done to it (tests/sim/hub_ledger_test.c). */
#ifndef TESTS_SUPPORT_HUB_LEDGER_H
#define TESTS_SUPPORT_HUB_LEDGER_H

#include <herz/hub.h>

#include "core/base/rng.h"
#include "tests/support/app_pair.h"

#define KINDS 3u /* topics of a group: "t/GROUP/KIND" */
#define CLIENTS_A_GROUP \
  60u /* so that each gets a moderate number of events, however many there are */
#define CLIENTS_A_HOST 250u
#define HOSTS_MAX 40u
#define WRITERS 4u
#define CUTS_MAX 3u
#define SETTLE_SEC 400u /* the longest cable, idle time and pause behind each other */

struct ledger;

/* What stands at each offset, told by the first who knows: the acknowledgement or a reader. All others must say the
 * same. */
struct topic {
  uint32_t *entries; /* entries[offset]: a writer's number; 0: nobody knows yet */
  uint64_t cap, top; /* the last offset that anyone knows of */
  uint64_t acked_to; /* the last that a writer knows of */
};

struct reader {
  struct ledger *l;
  herz_client *cl;
  herz_app *app;
  unsigned group, first, kinds; /* its topics */
  uint64_t heard[KINDS];        /* the last offset */
  uint32_t last[WRITERS];       /* number of each writer, whichever the topic */
  uint64_t known;               /* acknowledged when it was cut off */
  uint64_t owed, came;          /* missed, when it came back; heard since */
  uint64_t cut_at;              /* of what is owed: then it is cut off again; 0: it is not */
  uint32_t cuts, stands, gaps, wrong;
  bool up;
};

struct writer {
  struct ledger *l;
  herz_client *cl;
  unsigned topic;      /* of the publish that is under way: always one */
  uint32_t said, name; /* numbers: said * WRITERS + name + 1 */
  bool up;
};

/* What kind of a run it was: figures that must not be 0. */
struct figures {
  uint64_t acked, unknown; /* publishes; unknown: the writer was cut off before it knew */
  uint64_t cuts, while_publishing, resets, cables;
  uint64_t heard, recovered; /* events; recovered: as what was missed */
  uint64_t behind;           /* absences in which something was missed */
  uint64_t in_replay;        /* cut off again in the middle of that */
};

struct ledger {
  struct app_pair p;
  struct hz_rng rng;
  uint64_t seed;
  char name[64]; /* of the test, for who replays it */
  unsigned clients, groups, hosts;
  hz_time end;
  struct reader *readers;
  struct topic *topics;
  struct writer writers[WRITERS];
  herz_app *apps[HOSTS_MAX];
  bool over; /* no more publishes, no more cuts */
  struct figures n;
};

/** A number out of the environment. */
unsigned hl_number(const char *name, unsigned fallback);
bool hl_one_in(struct ledger *l, uint64_t n);
/** From `lo` to some 1,000 times that, each magnitude as often as the others. */
uint64_t hl_any_magnitude(struct ledger *l, uint64_t lo);

/** Publishes to a topic; when it is known what became of it, the next. */
void hl_say(struct writer *w);
void hl_writer_state(herz_client *cl, enum herz_client_state s, const struct herz_close_info *info,
                     void *arg);

/** From one moment to the next: what is on its way is lost. */
void hl_cut(herz_client *cl);
struct topic *hl_topic_of(const struct reader *r, unsigned kind);
/** Dials and subscribes reader `i`. */
void hl_subscribe_one(struct ledger *l, unsigned i);

#endif
