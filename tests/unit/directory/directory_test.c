/* The directory on one thread: handles, reuse, growing and shrinking, and what lack of memory does.
 * Readers beside a worker: tests/threads. */
#include "core/directory/directory.h"

#include <criterion/criterion.h>
#include <string.h>

#include "core/directory/internal.h"
#include "tests/support/fault_alloc.h"
#include "tests/support/test_env.h"

#define MANY 10000u

struct fixture {
  struct fault_alloc mem;
  struct test_env te;
  struct hz_directory d;
  size_t before; /* bytes alive without the directory */
};

static struct hz_conn conns[MANY];
static struct hz_peer peers[2] = {{.addr = "192.0.2.7:1234"}, {.addr = "[2001:db8::7]:4321"}};

static void setup(struct fixture *f) {
  fault_alloc_init(&f->mem);
  cr_assert_eq(test_env_init(&f->te, &f->mem.base, 1), HZ_OK);
  f->before = f->mem.live_bytes;
  hz_directory_init(&f->d, &f->te.env, 3);
  memset(conns, 0, sizeof(conns));
}

static void teardown(struct fixture *f) {
  hz_directory_fini(&f->d);
  cr_assert_eq(f->mem.live_bytes, f->before);
  test_env_fini(&f->te);
  cr_assert_eq(fault_alloc_leaks(&f->mem), 0);
}

static hz_err try_add(struct fixture *f, struct hz_conn *conn) {
  struct hz_conn_origin o = {.transport = 5, .listener = 2, .opened_s = 1767225600};

  hz_inet_parse(&o.peer, peers[0].addr);
  return hz_directory_add(&f->d, conn, &o);
}

static void add(struct fixture *f, struct hz_conn *conn) {
  cr_assert_eq(try_add(f, conn), HZ_OK);
}

static const char *address(const struct fixture *f, uint64_t id) {
  static char out[HZ_INET_TEXT];
  struct hz_conn_facts facts;

  cr_assert(hz_directory_find(&f->d, id, &facts));
  hz_inet_format(&facts.origin.peer, "local", out);
  return out;
}

/* What nobody uses goes at the second look: between the two the readers had their time. */
static void let_go(struct fixture *f) {
  for (int i = 0; i < 3; i++) {
    test_env_advance(&f->te, HZ_SEC);
    if (f->d.passing != NULL) hz_rcu_finish(&f->d.wait);
  }
}

Test(directory, an_entry_tells_what_it_was_given) {
  struct fixture f;
  struct hz_conn_facts facts;

  setup(&f);
  add(&f, &conns[0]);
  hz_conn_came(&conns[0], 100);
  hz_conn_came(&conns[0], 11);
  hz_conn_left(&conns[0], 7);
  hz_conn_called(&conns[0]);
  hz_conn_set_state(&conns[0], HZ_CONN_DRAINING);
  cr_assert(hz_directory_find(&f.d, conns[0].id, &facts));
  cr_assert_eq(facts.id, conns[0].id);
  cr_assert_eq(hz_conn_id_worker(facts.id), 3);
  cr_assert_eq(facts.state, HZ_CONN_DRAINING);
  cr_assert_eq(facts.origin.transport, 5);
  cr_assert_eq(facts.origin.listener, 2);
  cr_assert_eq(facts.origin.opened_s, 1767225600);
  cr_assert_eq(facts.bytes_in, 111);
  cr_assert_eq(facts.bytes_out, 7);
  cr_assert_eq(facts.calls, 1);
  cr_assert_str_eq(address(&f, conns[0].id), "192.0.2.7:1234");
  cr_assert_eq(hz_directory_count(&f.d), 1);
  hz_directory_remove(&f.d, &conns[0]);
  teardown(&f);
}

Test(directory, who_is_not_in_it_is_not_counted) {
  struct hz_conn c = {0};
  struct fixture f;

  setup(&f);
  hz_conn_came(&c, 1);
  hz_conn_left(&c, 1);
  hz_conn_called(&c);
  hz_conn_set_state(&c, HZ_CONN_OPEN);
  hz_directory_moved(&c, peers[0].addr);
  hz_directory_remove(&f.d, &c);
  cr_assert_eq(hz_directory_count(&f.d), 0);
  teardown(&f);
}

Test(directory, a_stale_handle_names_nobody) {
  struct hz_conn_facts facts;
  struct fixture f;

  setup(&f);
  add(&f, &conns[0]);
  uint64_t old = conns[0].id;
  cr_assert_eq(hz_directory_conn(&f.d, old), &conns[0]);
  hz_directory_remove(&f.d, &conns[0]);
  cr_assert_null(conns[0].entry);
  cr_assert(!hz_directory_find(&f.d, old, &facts));
  cr_assert_null(hz_directory_conn(&f.d, old));
  add(&f, &conns[1]);
  cr_assert_eq(hz_conn_id_slot(conns[1].id), hz_conn_id_slot(old), "the slot is used again");
  cr_assert_neq(conns[1].id, old);
  cr_assert(!hz_directory_find(&f.d, old, &facts));
  cr_assert_null(hz_directory_conn(&f.d, old));
  cr_assert(hz_directory_find(&f.d, conns[1].id, &facts));
  cr_assert_eq(facts.bytes_in, 0);
  hz_directory_remove(&f.d, &conns[1]);
  teardown(&f);
}

Test(directory, made_up_handles_name_nobody) {
  struct hz_conn_facts facts;
  struct fixture f;

  setup(&f);
  cr_assert(!hz_directory_find(&f.d, 1, &facts), "in an empty one");
  cr_assert_null(hz_directory_conn(&f.d, 1));
  add(&f, &conns[0]);
  uint64_t id = conns[0].id;
  uint64_t wrong[] = {0,        id + 1,         id + HZ_CHUNK_ENTRIES,  id + HZ_CONN_SLOTS,
                      id - 1,   UINT64_MAX,     id | UINT64_C(1) << 53, id | UINT64_C(1) << 63,
                      3u << 24, id & 0x3fffffff};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    cr_assert(!hz_directory_find(&f.d, wrong[i], &facts), "%llx", (unsigned long long)wrong[i]);
    cr_assert_null(hz_directory_conn(&f.d, wrong[i]), "%llx", (unsigned long long)wrong[i]);
  }
  hz_directory_remove(&f.d, &conns[0]);
  teardown(&f);
}

static uint32_t walk(const struct fixture *f) {
  struct hz_conn_facts facts;
  uint32_t n = 0, slot = 0;

  for (; hz_directory_next(&f->d, slot, &facts); n++) {
    cr_assert_geq(hz_conn_id_slot(facts.id), slot);
    slot = hz_conn_id_slot(facts.id) + 1;
  }
  return n;
}

Test(directory, grows_without_moving_anybody) {
  static struct hz_conn_entry *at[MANY];
  struct hz_conn_facts facts;
  struct fixture f;

  setup(&f);
  for (uint32_t i = 0; i < MANY; i++) {
    add(&f, &conns[i]);
    at[i] = conns[i].entry;
  }
  cr_assert_eq(hz_directory_count(&f.d), MANY);
  cr_assert_eq(walk(&f), MANY);
  for (uint32_t i = 0; i < MANY; i++) {
    cr_assert_eq(conns[i].entry, at[i]);
    cr_assert(hz_directory_find(&f.d, conns[i].id, &facts));
    cr_assert_eq(hz_directory_conn(&f.d, conns[i].id), &conns[i]);
  }
  cr_assert_leq(f.mem.live_bytes - f.before, MANY * 50u + 16384,
                "48 bytes a connection, and little");
  for (uint32_t i = 0; i < MANY; i += 2) hz_directory_remove(&f.d, &conns[i]);
  cr_assert_eq(walk(&f), MANY / 2);
  for (uint32_t i = 1; i < MANY; i += 2) hz_directory_remove(&f.d, &conns[i]);
  cr_assert_eq(walk(&f), 0);
  teardown(&f);
}

Test(directory, gives_memory_back_when_connections_have_gone) {
  struct fixture f;

  setup(&f);
  for (int round = 0; round < 3; round++) {
    for (uint32_t i = 0; i < MANY; i++) add(&f, &conns[i]);
    for (uint32_t i = 0; i < MANY; i++) hz_directory_remove(&f.d, &conns[i]);
    cr_assert_gt(f.mem.live_bytes - f.before, MANY * 48u, "a crowd may come back at once");
    let_go(&f);
    /* One chunk, and 16 bytes for each that there was. */
    cr_assert_leq(f.mem.live_bytes - f.before, sizeof(struct hz_conn_chunk) + 128 * 16 + 64);
    cr_assert(!hz_wheel_armed(&f.d.tick), "nothing to look for");
  }
  teardown(&f);
}

Test(directory, generations_go_on_when_a_chunk_comes_back) {
  struct hz_conn_facts facts;
  struct fixture f;
  uint32_t n = HZ_CHUNK_ENTRIES * 3;
  static uint64_t old[HZ_CHUNK_ENTRIES * 3];

  setup(&f);
  for (int round = 0; round < 5; round++) {
    for (uint32_t i = 0; i < n; i++) add(&f, &conns[i]);
    for (uint32_t i = 0; round > 0 && i < n; i++) {
      cr_assert(!hz_directory_find(&f.d, old[i], &facts), "%u of round %d", i, round);
      cr_assert_null(hz_directory_conn(&f.d, old[i]));
    }
    for (uint32_t i = 0; i < n; i++) {
      old[i] = conns[i].id;
      hz_directory_remove(&f.d, &conns[i]);
    }
    let_go(&f);
  }
  teardown(&f);
}

Test(directory, a_slot_is_out_of_use_after_its_last_generation) {
  struct fixture f;

  setup(&f);
  for (uint32_t g = 1; g <= HZ_GENERATION_MAX; g++) {
    add(&f, &conns[0]);
    cr_assert_eq(hz_conn_id_slot(conns[0].id), 0);
    cr_assert_eq(hz_conn_id_generation(conns[0].id), g);
    hz_directory_remove(&f.d, &conns[0]);
  }
  add(&f, &conns[0]);
  cr_assert_eq(hz_conn_id_slot(conns[0].id), 1);
  cr_assert_eq(hz_conn_id_generation(conns[0].id), 1);
  hz_directory_remove(&f.d, &conns[0]);
  teardown(&f);
}

/* As if all slots of the first chunk had been used up. */
Test(directory, a_chunk_without_generations_goes_for_good) {
  struct fixture f;

  setup(&f);
  add(&f, &conns[0]);
  for (uint32_t i = 1; i < HZ_CHUNK_ENTRIES; i++) {
    atomic_store(&conns[0].entry[i].mark, hz_mark_make(HZ_GENERATION_MAX - 1, 0));
  }
  hz_directory_remove(&f.d, &conns[0]);
  for (uint32_t i = 0; i < HZ_CHUNK_ENTRIES; i++) add(&f, &conns[i]);
  add(&f, &conns[HZ_CHUNK_ENTRIES]);
  cr_assert_eq(hz_conn_id_slot(conns[HZ_CHUNK_ENTRIES].id), HZ_CHUNK_ENTRIES, "the next chunk");
  for (uint32_t i = 0; i <= HZ_CHUNK_ENTRIES; i++) hz_directory_remove(&f.d, &conns[i]);
  let_go(&f);
  /* The first slot had generations left: with it the chunk stays. */
  for (uint32_t i = 0; i < 2 * HZ_CHUNK_ENTRIES; i++) {
    add(&f, &conns[i]);
    uint32_t slot = hz_conn_id_slot(conns[i].id);
    cr_assert(slot == 0 || slot >= HZ_CHUNK_ENTRIES, "slot %u is used up", slot);
  }
  for (uint32_t i = 0; i < 2 * HZ_CHUNK_ENTRIES; i++) hz_directory_remove(&f.d, &conns[i]);
  let_go(&f);
  teardown(&f);
}

Test(directory, a_move_changes_the_address_and_nothing_else) {
  struct fixture f;

  setup(&f);
  add(&f, &conns[0]);
  uint64_t id = conns[0].id;
  for (int i = 1; i < 1000; i++) { /* past the last version */
    hz_directory_moved(&conns[0], peers[i % 2].addr);
    cr_assert_str_eq(address(&f, id), peers[i % 2].addr);
    cr_assert_eq(conns[0].id, id);
  }
  /* A reader that always meets it in the middle goes without. */
  atomic_fetch_add(&conns[0].entry->mark, 1);
  cr_assert_str_eq(address(&f, id), "");
  hz_directory_remove(&f.d, &conns[0]);
  teardown(&f);
}

Test(directory, lack_of_memory_refuses_a_connection_and_no_more) {
  struct fixture f;
  uint64_t nth = 1;
  struct hz_conn_facts facts;

  setup(&f);
  for (uint32_t i = 0; i < 9 * HZ_CHUNK_ENTRIES; i++) { /* the table grows twice */
    fault_alloc_fail(&f.mem, nth, false);
    hz_err err = try_add(&f, &conns[i]);
    if (err != HZ_OK) {
      cr_assert_eq(err, HZ_ENOMEM);
      cr_assert_null(conns[i].entry);
      cr_assert_eq(hz_directory_count(&f.d), i);
      nth++;
      i--;
      continue;
    }
    nth = 1;
    cr_assert(hz_directory_find(&f.d, conns[i].id, &facts));
  }
  fault_alloc_fail(&f.mem, 1, true);
  hz_directory_moved(&conns[0], peers[1].addr);
  cr_assert_str_eq(address(&f, conns[0].id), "", "an address that cannot be kept is left out");
  fault_alloc_fail(&f.mem, 0, false);
  hz_directory_moved(&conns[0], peers[1].addr);
  cr_assert_str_eq(address(&f, conns[0].id), peers[1].addr);
  for (uint32_t i = 0; i < 9 * HZ_CHUNK_ENTRIES; i++) hz_directory_remove(&f.d, &conns[i]);
  teardown(&f);
}
