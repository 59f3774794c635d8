/* The console's parts, as they see each other. What the rest of the daemon needs: herzd.h. */
#ifndef APPS_HERZD_CONSOLE_H
#define APPS_HERZD_CONSOLE_H

#include <herz/stats.h>
#include <stdio.h>

#include "apps/herzd/herzd.h"

#define CONSOLE_TRANSPORTS 16u /* more are not registered */

/** What a feed saw last, so that it can tell what came since. Zeroed: nothing, so all since the start. */
struct console_look {
  struct herz_latency latency[CONSOLE_TRANSPORTS];
  uint64_t failures;
};

/** Where a page of this request's host finds the listeners: "localhost:4433"; "" where there is none. */
struct console_places {
  char tcp[300], udp[300];
};
void console_places(herz_ctx *c, struct console_places *out);

/** Members of a JSON object: what stays, and what changes. `look` is brought up to date; failures are told
 * when there are others than `look` has seen. */
void console_about(FILE *out, const herz_app *app, const struct herzd_cert *cert,
                   const struct console_places *places);
void console_now(FILE *out, const herz_app *app, struct console_look *look);

#endif
