/* Which topics have history, herz_topic() and the key "topics"; and which have presence, herz_presence() and the
 * key "presence". Not here: what that is (core/pubsub). */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/app/topics.h"

static void forget(void *arg) {
  free(arg);
}

static hz_err read_pattern(herz_app *app, struct hz_str pattern, struct hz_filter *out) {
  const char *why = hz_filter_read(out, pattern);

  if (why == NULL) return HZ_OK;
  return (hz_err)hz_app_fail(app, HZ_EINVAL, "%.*s: %s", HZ_STR_ARG(pattern), why);
}

/* Memory for a rule, which goes with the app. NULL: it has been said why. */
static void *rule_new(herz_app *app, size_t size) {
  void *r = malloc(size);

  if (r != NULL && hz_app_keep(app, forget, r) == HZ_OK) return r;
  free(r);
  (void)hz_app_fail(app, HZ_ENOMEM, "memory is short");
  return NULL;
}

static hz_err add(herz_app *app, struct hz_str pattern, const struct herz_topic_options *o) {
  const struct hz_history_rule **last = &app->hub_rules.history;
  struct hz_filter filter;
  hz_err err = read_pattern(app, pattern, &filter);

  if (err != HZ_OK) return err;
  struct hz_history_rule *r = rule_new(app, sizeof(*r));
  if (r == NULL) return HZ_ENOMEM;
  *r = (struct hz_history_rule){.pattern = filter,
                                .events = o->events,
                                .bytes = o->bytes,
                                .age_ms = (uint64_t)o->seconds * 1000};
  while (*last != NULL) {
    last = (const struct hz_history_rule **)(uintptr_t) & (*last)->next;
  }
  *last = r;
  return HZ_OK;
}

static hz_err add_presence(herz_app *app, struct hz_str pattern) {
  struct hz_filter filter;
  hz_err err = read_pattern(app, pattern, &filter);

  if (err != HZ_OK) return err;
  struct hz_presence_rule *r = rule_new(app, sizeof(*r));
  if (r == NULL) return HZ_ENOMEM;
  *r = (struct hz_presence_rule){filter, app->hub_rules.presence};
  app->hub_rules.presence = r;
  return HZ_OK;
}

static int too_late(herz_app *app, const char *pattern) {
  return hz_app_fail(app, HZ_EINVAL, "%s: set it before the first listener or dial", pattern);
}

int herz_presence(herz_app *app, const char *pattern) {
  if (app->started) return too_late(app, pattern);
  return (int)add_presence(app, hz_str_of(pattern));
}

int herz_topic(herz_app *app, const char *pattern, const struct herz_topic_options *options) {
  static const struct herz_topic_options all;

  if (app->started) return too_late(app, pattern);
  return (int)add(app, hz_str_of(pattern), options == NULL ? &all : options);
}

/* ---- the key: "orders/# events=1000 seconds=60; news bytes=100000" ---- */

/* The next word of `*text`, up to a blank. */
static struct hz_str word(const char **text, const char *end) {
  const char *p = *text;

  while (p < end && isspace((unsigned char)*p)) p++;
  const char *from = p;
  while (p < end && !isspace((unsigned char)*p)) p++;
  *text = p;
  return (struct hz_str){from, (size_t)(p - from)};
}

static bool take(struct hz_str option, struct herz_topic_options *o) {
  static const char *const names[] = {"events=", "bytes=", "seconds="};
  char number[24];

  for (int i = 0; i < 3; i++) {
    size_t n = strlen(names[i]);

    if (option.n <= n || option.n - n >= sizeof(number) || memcmp(option.p, names[i], n) != 0) {
      continue;
    }
    memcpy(number, option.p + n, option.n - n);
    number[option.n - n] = '\0';
    errno = 0;
    char *end;
    unsigned long long v = strtoull(number, &end, 10);
    if (!isdigit((unsigned char)number[0]) || *end != '\0' || errno != 0) return false;
    if (i != 1 && v > UINT32_MAX) return false;
    if (i == 0) o->events = (uint32_t)v;
    if (i == 1) o->bytes = v;
    if (i == 2) o->seconds = (uint32_t)v;
    return true;
  }
  return false;
}

/* The key "presence": "room/#; chat/+". */
static hz_err read_presence(herz_app *app) {
  const char *at = app->config.presence;

  while (at != NULL && *at != '\0') {
    const char *end = strchrnul(at, ';');
    struct hz_str pattern = word(&at, end), more = word(&at, end);

    if (more.n > 0) {
      return (hz_err)hz_app_fail(app, HZ_EINVAL, "presence: \"%.*s\": put a ; between patterns",
                                 HZ_STR_ARG(more));
    }
    hz_err err = pattern.n == 0 ? HZ_OK : add_presence(app, pattern);
    if (err != HZ_OK) return err;
    at = *end == ';' ? end + 1 : end;
  }
  return HZ_OK;
}

hz_err hz_app_read_topics(herz_app *app) {
  const char *at = app->config.topics;

  while (at != NULL && *at != '\0') {
    const char *end = strchrnul(at, ';');
    struct herz_topic_options o = {0};
    struct hz_str pattern = word(&at, end), option;

    for (option = word(&at, end); option.n > 0; option = word(&at, end)) {
      if (take(option, &o)) continue;
      return (hz_err)hz_app_fail(app, HZ_EINVAL,
                                 "topics: \"%.*s\" is none of events=N, bytes=N, seconds=N",
                                 HZ_STR_ARG(option));
    }
    hz_err err = pattern.n == 0 ? HZ_OK : add(app, pattern, &o);
    if (err != HZ_OK) return err;
    at = *end == ';' ? end + 1 : end;
  }
  return read_presence(app);
}
