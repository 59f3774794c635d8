/* Finds a key that stands twice in an object. Sorting, since a hash could be flooded and comparing
 * all with all is a peer's way to burn processor time. */
#include "codec/json_keys.h"

#include <string.h>

#define FEW 16u /* so many are compared all with all: no scratch needed */

static int compare(yyjson_val *a, yyjson_val *b) {
  size_t n = yyjson_get_len(a), m = yyjson_get_len(b);
  if (n != m) return n < m ? -1 : 1; /* any total order does */
  return memcmp(yyjson_get_str(a), yyjson_get_str(b), n);
}

static void sift(yyjson_val **v, size_t at, size_t n) {
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && compare(v[child], v[child + 1]) < 0) child++;
    if (compare(v[at], v[child]) >= 0) return;
    yyjson_val *t = v[at];
    v[at] = v[child];
    v[child] = t;
  }
}

/* Heap sort: bounded in the worst case, and in place, which qsort() is not. */
static void sort(yyjson_val **v, size_t n) {
  for (size_t i = n / 2; i > 0; i--) sift(v, i - 1, n);
  for (size_t end = n - 1; end > 0; end--) {
    yyjson_val *t = v[0];
    v[0] = v[end];
    v[end] = t;
    sift(v, 0, end);
  }
}

static size_t collect(yyjson_val *object, yyjson_val **out) {
  yyjson_obj_iter it = yyjson_obj_iter_with(object);
  size_t n = 0;
  for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) out[n++] = key;
  return n;
}

hz_err hz_json_key_twice(struct hz_alloc *alloc, yyjson_val *object, yyjson_val **twice) {
  yyjson_val *few[FEW];
  size_t n = yyjson_obj_size(object);
  if (n < 2) return HZ_OK;
  if (n <= FEW) {
    (void)collect(object, few);
    for (size_t i = 1; i < n; i++)
      for (size_t k = 0; k < i; k++)
        if (compare(few[i], few[k]) == 0) *twice = few[i];
    return HZ_OK;
  }
  yyjson_val **keys = hz_malloc(alloc, n * sizeof(*keys));
  if (keys == NULL) return HZ_ENOMEM;
  sort(keys, collect(object, keys));
  for (size_t i = 1; i < n; i++)
    if (compare(keys[i - 1], keys[i]) == 0) *twice = keys[i];
  hz_free(alloc, keys);
  return HZ_OK;
}
