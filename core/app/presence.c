/* Who is on a topic, for the service and over HTTP. Not here: the table (core/pubsub/presence.h). */
#include <stdlib.h>

#include "core/app/topics.h"
#include "core/dispatch/call.h"

_Static_assert(sizeof(struct herz_member) == sizeof(struct hz_member_facts) &&
                   offsetof(struct herz_member, name) == offsetof(struct hz_member_facts, name),
               "one is copied as the other");

uint64_t herz_members(const herz_app *app, const char *topic, struct herz_member *out,
                      size_t room) {
  if (app->hub == NULL) return 0;
  return hz_presence_look(&app->hub->presence, hz_str_of(topic), (struct hz_member_facts *)out,
                          room);
}

uint64_t herz_member_count(const herz_app *app, const char *topic) {
  return herz_members(app, topic, NULL, 0);
}

/* ---- GET TOPIC?members ---- */

static const herz_value *text_or_nil(herz_ctx *c, const char *text) {
  return text[0] != '\0' ? herz_str(c, text) : herz_nil(c);
}

/* The list, or nil where it is too long to be told. */
static herz_value *list(herz_ctx *c, const struct herz_member *m, uint64_t n) {
  herz_value *members = herz_array_new(c);

  for (uint64_t i = 0; members != NULL && i < n; i++, m++) {
    const herz_value *one = herz_map(c, "id", herz_uint(c, m->id), "as", text_or_nil(c, m->as),
                                     "name", text_or_nil(c, m->name));

    if (herz_array_add(c, members, one) != 0) return NULL;
  }
  return members;
}

void hz_topic_members(herz_ctx *c, herz_app *app, const char *topic) {
  uint32_t most = app->config.transport.limits.presence_list;
  struct herz_member *m = malloc(most * sizeof(*m));
  uint64_t n = m == NULL ? 0 : herz_members(app, topic, m, most);
  const herz_value *members = m == NULL || n > most ? NULL : list(c, m, n);

  free(m);
  if (m == NULL || (members == NULL && n <= most)) {
    herz_reply_error(c, HERZ_UNAVAILABLE, "memory is short");
    return;
  }
  herz_reply(c, HERZ_OK,
             herz_map(c, "topic", herz_str(c, topic), "count", herz_uint(c, n), "members",
                      members == NULL ? herz_nil(c) : members));
}
