/* The commands of herz, each with its own flags. */
#ifndef APPS_HERZ_COMMANDS_H
#define APPS_HERZ_COMMANDS_H

#include <herz/herz.h>

#include "apps/common/args.h"
#include "apps/herz/client.h"

extern const struct args_option req_flags[];
extern const char req_notes[];
int herz_req(const struct args *a);

extern const struct args_option ping_flags[];
int herz_ping_command(const struct args *a);

int herz_decode_command(const struct args *a);

#endif
