/* What lies in a directory can be opened, and nothing else; by both ways. */
#include "core/web/beneath.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/herz-beneath-XXXXXX";
static int root;

static void make(const char *name, const char *text) {
  char path[200];

  (void)snprintf(path, sizeof(path), "%s/%s", base, name);
  FILE *f = fopen(path, "w");
  cr_assert_not_null(f);
  fputs(text, f);
  fclose(f);
}

static void link_to(const char *name, const char *target) {
  char path[200];

  (void)snprintf(path, sizeof(path), "%s/%s", base, name);
  cr_assert_eq(symlink(target, path), 0);
}

static void folder(const char *name) {
  char path[200];

  (void)snprintf(path, sizeof(path), "%s/%s", base, name);
  cr_assert_eq(mkdir(path, 0755), 0);
}

static void setup(void) {
  char path[200];

  cr_assert_not_null(mkdtemp(base));
  folder("root");
  folder("root/sub");
  folder("root/sub/deep");
  make("secret", "secret");
  make("root/a", "a");
  make("root/sub/b", "b");
  make("root/sub/deep/c", "c");
  make("root/...", "three dots");
  make("root/..a", "two dots and a letter");
  link_to("root/out", "../secret");
  link_to("root/out-abs", "/etc/passwd");
  link_to("root/out-dir", "..");
  link_to("root/sub/up", "../a");
  link_to("root/loop", "loop");
  link_to("root/proc", "/proc/self/fd");
  (void)snprintf(path, sizeof(path), "%s/root", base);
  root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  cr_assert_geq(root, 0);
  (void)snprintf(path, sizeof(path), "%s/root/fifo", base);
  cr_assert_eq(mkfifo(path, 0644), 0);
}

static void teardown(void) {
  char command[200];

  close(root);
  (void)snprintf(command, sizeof(command), "rm -rf %s", base);
  cr_assert_eq(system(command), 0);
}

TestSuite(web_beneath, .init = setup, .fini = teardown);

/* What is read there; "" when it cannot be opened. */
static const char *content(const char *path, bool by_component) {
  static char text[64];
  int fd = hz_open_beneath(root, path, by_component);

  text[0] = '\0';
  if (fd < 0) return text;
  cr_assert_neq(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  ssize_t n = read(fd, text, sizeof(text) - 1);
  text[n < 0 ? 0 : n] = '\0';
  close(fd);
  return text;
}

Test(web_beneath, what_is_inside_is_opened) {
  for (int way = 0; way < 2; way++) {
    cr_assert_str_eq(content("a", way), "a");
    cr_assert_str_eq(content("sub/b", way), "b");
    cr_assert_str_eq(content("sub/deep/c", way), "c");
    cr_assert_str_eq(content("sub//b", way), "b");
    cr_assert_str_eq(content("./sub/./b", way), "b");
    cr_assert_str_eq(content("...", way), "three dots");
    cr_assert_str_eq(content("..a", way), "two dots and a letter");
    int fd = hz_open_beneath(root, "", way);
    struct stat st;
    cr_assert(fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode));
    close(fd);
  }
}

Test(web_beneath, what_leads_out_is_refused) {
  static const char *const paths[] = {"../secret",
                                      "sub/../../secret",
                                      "..",
                                      "sub/../..",
                                      "/etc/passwd",
                                      "//etc/passwd",
                                      "out",
                                      "out-abs",
                                      "out-dir/secret",
                                      "out-dir",
                                      "sub/deep/../../../secret",
                                      "loop",
                                      "proc/0",
                                      "proc",
                                      "./../secret",
                                      "sub/./../../secret",
                                      "a/../../secret",
                                      "/",
                                      "/../secret"};

  for (int way = 0; way < 2; way++) {
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
      int fd = hz_open_beneath(root, paths[i], way);
      cr_assert_lt(fd, 0, "%s was opened, way %d", paths[i], way);
    }
  }
}

Test(web_beneath, what_is_not_there_is_not_found) {
  for (int way = 0; way < 2; way++) {
    char longer[400];

    cr_assert_lt(hz_open_beneath(root, "none", way), 0);
    cr_assert_eq(errno, ENOENT);
    cr_assert_lt(hz_open_beneath(root, "a/b", way), 0);
    cr_assert_eq(errno, ENOTDIR);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    cr_assert_lt(hz_open_beneath(root, longer, way), 0);
    cr_assert_eq(errno, ENAMETOOLONG);
  }
}

Test(web_beneath, links_that_stay_inside_are_followed_by_openat2_alone) {
  cr_assert_str_eq(content("sub/up", true), "");
  const char *seen = content("sub/up", false);
  cr_assert(strcmp(seen, "a") == 0 || strcmp(seen, "") == 0, "%s",
            seen); /* an old kernel has none */
}

Test(web_beneath, a_fifo_does_not_block) {
  for (int way = 0; way < 2; way++) {
    int fd = hz_open_beneath(root, "fifo", way);
    cr_assert_geq(fd, 0);
    close(fd);
  }
}

Test(web_beneath, no_descriptor_is_left_open) {
  int before = dup(0);

  close(before);
  for (int way = 0; way < 2; way++) {
    (void)content("sub/deep/c", way);
    (void)content("sub/deep/none", way);
    (void)content("sub/../../secret", way);
  }
  int after = dup(0);
  cr_assert_eq(after, before);
  close(after);
}
