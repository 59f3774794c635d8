/* What a connection writes down when asked: qlog and key log. Not here: the session file
 * (quic_early_test.c). */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/quic_fixture.h"
#include "transports/quic/qlog.h"

#define LIMIT (30 * HZ_SEC)
#define NAME(test) "quic_log/" #test

static const struct sim_link lan = {.delay_ns = 10 * HZ_MS};

/* How many files of the directory end so, and how large they are in all. */
static unsigned files(const char *end, size_t *bytes) {
  unsigned n = 0;
  DIR *d = opendir(qf_dir());
  struct dirent *e;
  *bytes = 0;
  while ((e = readdir(d)) != NULL) {
    size_t len = strlen(e->d_name), want = strlen(end);
    char path[400];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", qf_dir(), e->d_name);
    if (len < want || strcmp(e->d_name + len - want, end) != 0 || stat(path, &st) != 0) continue;
    cr_assert_eq(st.st_mode & 0077, 0u, "%s is for its owner only", e->d_name);
    n++;
    *bytes += (size_t)st.st_size;
  }
  closedir(d);
  return n;
}

Test(quic_log, each_connection_has_a_qlog_on_each_side) {
  struct qf *f = qf_new(NAME(each_connection_has_a_qlog_on_each_side), 1, &lan);
  f->scfg.tls.qlog_dir = f->ccfg.tls.qlog_dir = qf_dir();
  qf_listen(f);
  for (int i = 0; i < 3; i++) {
    struct qf_conn *c = qf_dial(f);
    cr_assert(qf_until(f, &c->opened, LIMIT));
    struct qf_stream *call = qf_call(c, 1000);
    cr_assert(qf_until_true(f, &call->done, LIMIT));
    qf_close(c, 0, "bye");
    cr_assert(qf_until(f, &c->closed, LIMIT));
    sim_run_for(f->sim, HZ_SEC);
  }
  size_t bytes;
  cr_assert_eq(files("-client.sqlog", &bytes), 3u);
  cr_assert_gt(bytes, 3000u);
  cr_assert_eq(files("-server.sqlog", &bytes), 3u);
  cr_assert_gt(bytes, 3000u);
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_log, a_directory_that_is_not_there_costs_the_log_only) {
  struct qf *f = qf_new(NAME(a_directory_that_is_not_there_costs_the_log_only), 1, &lan);
  f->scfg.tls.qlog_dir = f->ccfg.tls.qlog_dir = "/nonexistent";
  f->ccfg.tls.session_file = "/nonexistent/session";
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, LIMIT));
  struct qf_stream *call = qf_call(c, 1000);
  cr_assert(qf_until_true(f, &call->done, LIMIT));
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_log, a_qlog_is_bounded) {
  struct hz_alloc a;
  hz_alloc_init_libc(&a);
  static const uint8_t cid[20] = {1};
  struct hz_quic_qlog *q = hz_quic_qlog_open(&a, qf_dir(), cid, sizeof(cid), HZ_CLIENT);
  cr_assert_not_null(q);
  cr_assert_null(hz_quic_qlog_open(&a, qf_dir(), cid, sizeof(cid), HZ_CLIENT), "never overwritten");
  static char block[1 << 20];
  for (int i = 0; i < 70; i++) hz_quic_qlog_write(q, block, sizeof(block));
  hz_quic_qlog_close(q);
  size_t bytes;
  cr_assert_eq(files(".sqlog", &bytes), 1u);
  cr_assert_leq(bytes, HZ_QUIC_QLOG_MAX_BYTES);
  struct qf *f = qf_new(NAME(a_qlog_is_bounded), 1, &lan); /* removes the directory */
  cr_assert_eq(qf_free(f), 0u);
}

Test(quic_log, the_key_log_is_written_when_asked_for_and_only_then) {
  char path[128];
  snprintf(path, sizeof(path), "%s/keys", qf_dir());
  struct qf *f = qf_new(NAME(the_key_log_is_written_when_asked_for_and_only_then), 1, &lan);
  f->ccfg.tls.keylog_file = path;
  qf_listen(f);
  struct qf_conn *c = qf_dial(f);
  cr_assert(qf_until(f, &c->opened, LIMIT));
  sim_run_for(f->sim, 100 * HZ_MS);
  char line[512];
  unsigned secrets = 0, traffic = 0;
  FILE *file = fopen(path, "r");
  cr_assert_not_null(file);
  while (fgets(line, sizeof(line), file) != NULL) {
    secrets++;
    traffic += strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0;
    traffic += strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) == 0;
  }
  fclose(file);
  cr_assert_geq(secrets, 4u);
  cr_assert_eq(traffic, 2u);
  cr_assert_neq(fopen("sslkeylog.log", "r") != NULL, true,
                "the TLS library writes secrets unasked");
  cr_assert_eq(qf_free(f), 0u);
}
