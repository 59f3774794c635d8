/* Runs a fuzz target over files and folders, without libFuzzer: the corpus as an ordinary test.
 * The targets themselves are in fuzz_*.c; nothing here knows what they test. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The exact size matters: a byte read past the end must leave the allocation. */
static int replay_file(const char *path) {
  FILE *f = fopen(path, "rb");
  if (f == NULL) {
    fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
    return 1;
  }
  int rc = 1;
  uint8_t *data = NULL;
  if (fseek(f, 0, SEEK_END) == 0) {
    long end = ftell(f);
    rewind(f);
    size_t size = end > 0 ? (size_t)end : 0;
    data = malloc(size);
    if (size == 0 || (data != NULL && fread(data, 1, size, f) == size)) {
      LLVMFuzzerTestOneInput(data, size);
      rc = 0;
    }
  }
  if (rc != 0) fprintf(stderr, "replay: %s: cannot be read whole\n", path);
  free(data);
  fclose(f);
  return rc;
}

static int replay_folder(const char *path, unsigned *count) {
  struct dirent **names;
  int n = scandir(path, &names, NULL, alphasort);
  if (n < 0) return 1;
  int rc = 0;
  for (int i = 0; i < n; i++) {
    char file[4096];
    struct stat st;
    int len = snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
    if (len > 0 && (size_t)len < sizeof file && stat(file, &st) == 0 && S_ISREG(st.st_mode)) {
      rc |= replay_file(file);
      *count += 1;
    }
    free(names[i]);
  }
  free(names);
  return rc;
}

int main(int argc, char **argv) {
  unsigned count = 1;
  int rc = 0;
  LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
  for (int i = 1; i < argc; i++) {
    struct stat st;
    if (stat(argv[i], &st) != 0) continue; /* a target without a corpus yet */
    if (S_ISDIR(st.st_mode)) {
      rc |= replay_folder(argv[i], &count);
    } else {
      rc |= replay_file(argv[i]);
      count++;
    }
  }
  printf("replayed %u inputs\n", count);
  return rc;
}
