/* Files of a directory as answers: herz_static(). Not here: finding them safely (beneath.c), what
 * requests say about validators (conditional.c) and ranges (range.c). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/app/app.h"
#include "core/dispatch/call.h"
#include "core/include/herz/web.h"
#include "core/web/accept.h"
#include "core/web/beneath.h"
#include "core/web/conditional.h"
#include "core/web/date.h"
#include "core/web/range.h"
#include "core/web/types.h"

/* Written by its worker alone, on a line of the cache of its own. */
struct open_count {
  _Alignas(64) uint32_t n;
};

struct directory {
  int root;
  char *param, *index, *cache_control;
  bool precompressed, hidden;
  struct open_count open[HERZ_WORKERS_MAX];
};

/* A file that is being answered. */
struct found {
  int fd;
  struct stat st;
  const char *coding;  /* of the variant: "br", "gzip"; NULL: as it is */
  char name[PATH_MAX]; /* of the original */
  char etag[32], date[HZ_DATE_LEN];
  struct hz_validators v;
};

/* ---- finding ---- */

static bool has_hidden_part(const char *path) {
  for (const char *p = path; p != NULL; p = strchr(p, '/')) {
    p += *p == '/';
    if (*p == '.') return true;
  }
  return false;
}

/* What the handler answers when open() failed: whether a file is there is nobody's business. */
static int status_of(int err) {
  switch (err) {
    case EMFILE:
    case ENFILE:
    case ENOMEM: return HERZ_UNAVAILABLE;
    case EIO: return HERZ_INTERNAL;
    default: return HERZ_NOT_FOUND;
  }
}

static bool is_fresh(const struct stat *variant, const struct stat *original) {
  const struct timespec *a = &variant->st_mtim, *b = &original->st_mtim;

  return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec >= b->tv_nsec);
}

/* Takes the variant's place, if there is one that is no older than the original. */
static bool take_variant(const struct directory *d, struct found *f, const char *end,
                         const char *coding) {
  char name[PATH_MAX];
  struct stat st;

  if (snprintf(name, sizeof(name), "%s%s", f->name, end) >= (int)sizeof(name)) return false;
  int fd = hz_open_beneath(d->root, name, false);
  if (fd < 0) return false;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !is_fresh(&st, &f->st)) {
    (void)close(fd);
    return false;
  }
  (void)close(f->fd);
  f->fd = fd;
  f->st = st;
  f->coding = coding;
  return true;
}

static void choose_variant(herz_ctx *c, const struct directory *d, struct found *f) {
  const char *accepted = herz_header(c, "accept-encoding");
  unsigned br = hz_accept_quality(accepted, "br"), gzip = hz_accept_quality(accepted, "gzip");

  if (br >= gzip && br > 0 && take_variant(d, f, ".br", "br")) return;
  if (gzip > 0 && take_variant(d, f, ".gz", "gzip")) return;
  if (br > 0 && br < gzip) (void)take_variant(d, f, ".br", "br");
}

/* Strong once the file has rested: within a tick of the clock it could change again and look the same.
 * The inode is in it for files that are replaced by others of the same time and size; hashed, for it
 * is nobody's business either. */
static void make_etag(struct found *f) {
  const uint64_t parts[] = {(uint64_t)f->st.st_ino, (uint64_t)f->st.st_size,
                            (uint64_t)f->st.st_mtim.tv_sec, (uint64_t)f->st.st_mtim.tv_nsec};
  uint64_t h = UINT64_C(14695981039346656037);

  for (size_t i = 0; i < 4; i++) {
    for (unsigned shift = 0; shift < 64; shift += 8) {
      h = (h ^ (parts[i] >> shift & 0xff)) * UINT64_C(1099511628211);
    }
  }
  (void)snprintf(f->etag, sizeof(f->etag), "%s\"%016" PRIx64 "%s%s\"",
                 f->v.date_is_sure ? "" : "W/", h, f->coding == NULL ? "" : "-",
                 f->coding == NULL ? "" : f->coding);
}

static void make_validators(herz_ctx *c, struct found *f) {
  struct hz_env *env = c->d->env;
  int64_t now = (int64_t)(env->ops->wall_ns(env) / HZ_SEC), modified = f->st.st_mtim.tv_sec;

  /* RFC 9110, 8.8.2.1: no date in the future. */
  f->v = (struct hz_validators){.etag = f->etag,
                                .modified = modified > now ? now : modified,
                                .date_is_sure = modified < now - 1,
                                .now = now};
  make_etag(f);
  hz_date_format(f->v.modified, f->date);
}

/* ---- answering ---- */

static bool set_headers(herz_ctx *c, const struct directory *d, const struct found *f) {
  int err = herz_set_header(c, "etag", f->etag);

  if (err == 0) err = herz_set_header(c, "last-modified", f->date);
  if (err == 0) err = herz_set_header(c, "accept-ranges", "bytes");
  if (err == 0) err = herz_set_header(c, "x-content-type-options", "nosniff");
  if (err == 0 && d->cache_control != NULL) {
    err = herz_set_header(c, "cache-control", d->cache_control);
  }
  if (err == 0 && d->precompressed) err = herz_set_header(c, "vary", "accept-encoding");
  if (err == 0 && f->coding != NULL) err = herz_set_header(c, "content-encoding", f->coding);
  return err == 0;
}

static struct hz_range range_of(herz_ctx *c, const struct found *f) {
  uint64_t size = (uint64_t)f->st.st_size;
  const char *range = herz_header(c, "range");

  /* RFC 9110, 14.2: defined for GET. */
  if (strcmp(herz_method(c), "GET") != 0 || !hz_if_range(c, &f->v)) range = NULL;
  return hz_range_parse(range, size);
}

/* Takes `f->fd`. */
static void send_file(herz_ctx *c, struct found *f, const struct hz_range *r) {
  int status = r->kind == HZ_RANGE_PART ? 206 : HERZ_OK;
  char text[72];

  if (status == 206) {
    (void)snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, r->first,
                   r->first + r->count - 1, (uint64_t)f->st.st_size);
    (void)herz_set_header(c, "content-range", text);
  }
  (void)herz_reply_file(c, status, hz_content_type(f->name), f->fd, r->first, r->count);
}

/* Takes `f->fd`. */
static void answer(herz_ctx *c, const struct directory *d, struct found *f) {
  int status = hz_conditions(c, &f->v);
  char text[40];

  if (status == 412) {
    (void)herz_reply_error(c, 412, "%s is not as the request wants it", herz_path(c));
    (void)close(f->fd);
    return;
  }
  struct hz_range r = range_of(c, f);
  if (status == 0 && r.kind == HZ_RANGE_OUTSIDE) {
    (void)snprintf(text, sizeof(text), "bytes */%" PRIu64, (uint64_t)f->st.st_size);
    (void)herz_set_header(c, "content-range", text);
    (void)herz_reply_error(c, 416, "the range lies outside: there are %" PRIu64 " bytes",
                           (uint64_t)f->st.st_size);
    (void)close(f->fd);
    return;
  }
  if (!set_headers(c, d, f)) {
    (void)herz_reply_error(c, HERZ_UNAVAILABLE, "memory is short, or there are too many headers");
    (void)close(f->fd);
  } else if (status == 304) {
    (void)herz_reply(c, 304, NULL);
    (void)close(f->fd);
  } else {
    send_file(c, f, &r);
  }
}

static void redirect_to_slash(herz_ctx *c) {
  /* The path as it came: its escapes are those of whoever asks, and it begins with one slash. */
  size_t n = strlen(herz_path(c));
  char *with = herz_alloc(c, n + 2);

  if (with != NULL) {
    memcpy(with, herz_path(c), n);
    memcpy(with + n, "/", 2);
    if (herz_set_header(c, "location", with) == 0) {
      (void)herz_reply(c, 301, NULL);
      return;
    }
  }
  (void)herz_reply_error(c, HERZ_UNAVAILABLE, "memory is short");
}

static void not_found(herz_ctx *c) {
  (void)herz_reply_error(c, HERZ_NOT_FOUND, "no file at %s", herz_path(c));
}

/* The name of what is asked for; false: it can have none. */
static bool file_name(const struct directory *d, const char *path, struct found *f) {
  size_t n = strlen(path);
  bool folder = n == 0 || path[n - 1] == '/';

  if (!d->hidden && has_hidden_part(path)) return false;
  if (folder && d->index[0] == '\0') return false;
  return snprintf(f->name, sizeof(f->name), "%s%s", path, folder ? d->index : "") <
         (int)sizeof(f->name);
}

static void closed(void *arg) {
  ((struct open_count *)arg)->n--;
}

/* One more file of this worker is open until the call ends. */
static bool may_open(herz_ctx *c, struct directory *d) {
  struct open_count *open = &d->open[herz_worker(c)];

  if (open->n >= c->d->limits->open_files) return false;
  if (herz_on_end(c, closed, open) != 0) return false;
  open->n++;
  return true;
}

static void refuse(herz_ctx *c) {
  HZ_COUNT(c->d->counters, files_refused);
  (void)herz_reply_error(c, HERZ_UNAVAILABLE, "too many files are open: try later");
}

static void serve(herz_ctx *c) {
  struct directory *d = herz_arg(c);
  const char *path = herz_param(c, d->param);
  struct found f = {.coding = NULL};

  if (path == NULL || !file_name(d, path, &f)) {
    not_found(c);
    return;
  }
  if (!may_open(c, d)) {
    refuse(c);
    return;
  }
  f.fd = hz_open_beneath(d->root, f.name, false);
  int status = f.fd < 0 ? status_of(errno) : fstat(f.fd, &f.st) != 0 ? HERZ_INTERNAL : 0;
  if (status == 0 && S_ISREG(f.st.st_mode)) {
    if (d->precompressed) choose_variant(c, d, &f);
    make_validators(c, &f);
    answer(c, d, &f);
    return;
  }
  if (f.fd >= 0) (void)close(f.fd);
  if (status == HERZ_UNAVAILABLE) {
    refuse(c);
  } else if (status == HERZ_INTERNAL) {
    (void)herz_reply_error(c, status, "%s cannot be read", herz_path(c));
  } else if (status == 0 && S_ISDIR(f.st.st_mode) && d->index[0] != '\0') {
    redirect_to_slash(c);
  } else {
    not_found(c);
  }
}

/* ---- registration ---- */

static void directory_free(void *arg) {
  struct directory *d = arg;

  if (d->root >= 0) (void)close(d->root);
  free(d->param);
  free(d->index);
  free(d->cache_control);
  free(d);
}

static struct directory *directory_new(const char *param, int root,
                                       const struct herz_static_options *o) {
  struct directory *d = aligned_alloc(_Alignof(struct directory), sizeof(*d));

  if (d == NULL) {
    (void)close(root);
    return NULL;
  }
  memset(d, 0, sizeof(*d));
  d->root = root;
  d->param = strdup(param);
  d->index = strdup(o->index == NULL ? "index.html" : o->index);
  d->precompressed = o->precompressed;
  d->hidden = o->hidden;
  if (o->cache_control != NULL) d->cache_control = strdup(o->cache_control);
  if (d->param != NULL && d->index != NULL &&
      (o->cache_control == NULL || d->cache_control != NULL)) {
    return d;
  }
  directory_free(d);
  return NULL;
}

static int add(herz_app *app, herz_group *g, const char *pattern, const char *directory,
               const struct herz_static_options *options) {
  const struct hz_config *cfg = &app->config;
  const struct herz_static_options keys = {.index =
                                               cfg->files_index == NULL ? "" : cfg->files_index,
                                           .cache_control = cfg->files_cache_control,
                                           .precompressed = cfg->files_precompressed,
                                           .hidden = cfg->files_hidden};
  const struct herz_static_options *o = options == NULL ? &keys : options;
  const char *wild = strrchr(pattern, '/');

  if (wild == NULL || wild[1] != '*') {
    return hz_app_fail(app, HZ_EINVAL, "%s: end it in a wildcard, as in /files/*path", pattern);
  }
  if (o->index != NULL && strchr(o->index, '/') != NULL) {
    return hz_app_fail(app, HZ_EINVAL, "index \"%s\": give the name of a file", o->index);
  }
  if (o->cache_control != NULL && !hz_header_ok("cache-control", o->cache_control)) {
    return hz_app_fail(app, HZ_EINVAL, "cache_control: no header can carry it");
  }
  int root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return hz_app_fail(app, HZ_ENOTFOUND, "%s: %s", directory, strerror(errno));
  struct directory *d = directory_new(wild + 2, root, o);
  if (d == NULL || hz_app_keep(app, directory_free, d) != HZ_OK) {
    if (d != NULL) directory_free(d);
    return hz_app_fail(app, HZ_ENOMEM, "%s: memory is short", pattern);
  }
  return g == NULL ? herz_route(app, "GET", pattern, serve, d)
                   : herz_group_route(g, "GET", pattern, serve, d);
}

int herz_static(herz_app *app, const char *pattern, const char *directory,
                const struct herz_static_options *options) {
  return add(app, NULL, pattern, directory, options);
}

int herz_group_static(herz_group *g, const char *pattern, const char *directory,
                      const struct herz_static_options *options) {
  return add(g->app, g, pattern, directory, options);
}
