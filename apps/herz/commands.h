/* The commands of herz, each with its own flags. */
#ifndef APPS_HERZ_COMMANDS_H
#define APPS_HERZ_COMMANDS_H

#include <herz/herz.h>

#include "apps/common/args.h"
#include "apps/herz/client.h"

/** What --help says about URLs and the environment. */
#define URL_NOTES                                                                          \
  "URL schemes: quic:// h3:// tcp:// tls:// http:// https:// ws:// wss:// ws+h3:// with\n" \
  "HOST:PORT/PATH, and unix:///SOCKET:/PATH. A path alone is put behind the value of "     \
  "HERZ_URL.\n\n"                                                                          \
  "Environment: HERZ_URL default scheme, host and port; HERZ_TOKEN sent as the token;\n"   \
  "SSLKEYLOGFILE receives TLS keys for a packet analyser.\n\n"                             \
  "A server on this machine is also trusted by the development certificate that\n"         \
  "herzd --dev left in $XDG_STATE_HOME/herz (default ~/.local/state/herz).\n"

/** And about several of them. */
#define SEVERAL_NOTES                                                                         \
  "Of several URLs the next is tried when one cannot be reached, or with --resume when its\n" \
  "connection goes. All of them must carry frames, which HTTP does not.\n\n"

extern const struct args_option req_flags[];
extern const char req_notes[];
int herz_req(const struct args *a);

extern const struct args_option ping_flags[];
int herz_ping_command(const struct args *a);

extern const struct args_option pub_flags[];
extern const char pub_notes[];
int herz_pub(const struct args *a);

extern const struct args_option sub_flags[];
extern const char sub_notes[];
int herz_sub(const struct args *a);

extern const struct args_option bench_flags[];
extern const char bench_notes[];
int herz_bench(const struct args *a);

int herz_decode_command(const struct args *a);

#endif
