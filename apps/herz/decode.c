/* `herz decode`: frames as text. The work is the library's (herz_decode). */
#include <errno.h>
#include <string.h>

#include "apps/common/exits.h"
#include "apps/herz/commands.h"

int herz_decode_command(const struct args *a) {
  const char *name = a->operands[0];
  bool standard = strcmp(name, "-") == 0;
  FILE *in = standard ? stdin : fopen(name, "rb");
  if (!in) return fail(EXIT_USAGE, "%s: %s; name a file with frames, or -", name, strerror(errno));
  int err = herz_decode(in, stdout);
  bool unread = ferror(in) != 0;
  int why = errno;
  if (!standard) fclose(in);
  int code = flush_stdout();
  if (unread) return fail(EXIT_USAGE, "%s: %s", name, strerror(why));
  if (err) return fail(EXIT_PROTOCOL, "%s: %s; the last line says where", name, herz_strerror(err));
  return code;
}
