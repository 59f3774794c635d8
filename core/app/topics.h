/* Events between the hub's form and the public one, for core/app/tap.c and client_topic.c. */
#ifndef CORE_APP_TOPICS_H
#define CORE_APP_TOPICS_H

#include "codec/envelope.h"
#include "core/app/app.h"
#include "core/include/herz/hub.h"

/** An event as callers see it, with all that its text needs. */
struct hz_event_text {
  struct herz_event event;
  struct hz_arena arena;
  char topic[HERZ_TOPIC_TEXT];
};

/** Out of an EVENT or a GAP. HZ_ENOMEM: nothing to free. */
HZ_MUST_USE hz_err hz_event_text_of(struct hz_event_text *t, struct hz_pool *pool,
                                    const struct hz_envelope *e);
void hz_event_text_fini(struct hz_event_text *t);

/** What a caller wants to publish. `headers` has HZ_HEADERS_MAX places. HZ_EINVAL: a frame could not
 * carry it. */
HZ_MUST_USE hz_err hz_message_of(const struct herz_message *m, struct hz_header *headers,
                                 struct hz_message *out);

/** Answers with who is on a topic. */
void hz_topic_members(herz_ctx *c, herz_app *app, const char *topic);

#endif
