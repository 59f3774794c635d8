/* What the tables of args.h look like to a reader: help, bash completion, manual page. */
#include "apps/common/args.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "apps/common/exits.h"

#define HELP_COLUMN 28

static const char exit_codes[] =
    "0 ok · 1 the answer is an error status (with -f) · 2 usage, configuration or a local file ·\n"
    "3 cannot connect · 4 TLS · 5 timeout · 6 refused or protocol error · 7 threshold missed";

/* "-X, --method METHOD" */
static size_t flag_text(const struct args_option *o, char *out, size_t len) {
  int n =
      snprintf(out, len, "%s%c%s--%s%s%s", o->letter ? "-" : "", o->letter ? o->letter : ' ',
               o->letter ? ", " : "   ", o->name, o->value ? " " : "", o->value ? o->value : "");
  return n < 0 ? 0 : (size_t)n;
}

/* Breaks `text` at blanks so that it fits beside the flags. */
static void print_wrapped(const char *text, size_t column, size_t at, FILE *out) {
  const size_t width = 100;
  if (at + 2 > column) {
    fputc('\n', out);
    at = 0;
  }
  fprintf(out, "%*s", (int)(column - at), "");
  size_t x = column;
  for (const char *p = text; *p;) {
    size_t word = strcspn(p, " ");
    if (x > column) {
      bool breaks = x + 1 + word > width;
      if (breaks)
        fprintf(out, "\n%*s", (int)column, "");
      else
        fputc(' ', out);
      x = breaks ? column : x + 1;
    }
    fwrite(p, 1, word, out);
    x += word;
    p += word;
    p += *p == ' ';
  }
  fputc('\n', out);
}

static void help_options(const struct args_option *o, bool later, FILE *out) {
  for (; o && o->kind != ARGS_END; o++) {
    if ((o->kind == ARGS_LATER) != later) continue;
    char flag[96];
    fputs("  ", out);
    size_t n = flag_text(o, flag, sizeof flag);
    fputs(flag, out);
    print_wrapped(o->help, HELP_COLUMN, n + 2, out);
  }
}

static bool has_later(const struct args_option *o) {
  for (; o && o->kind != ARGS_END; o++) {
    if (o->kind == ARGS_LATER) return true;
  }
  return false;
}

static void usage_line(const struct args_program *p, const struct args_command *c, FILE *out) {
  bool fallback = p->fallback && strcmp(p->fallback, c->name) == 0;
  fprintf(out, fallback ? "%s [%s]" : "%s %s", p->name, c->name);
  if (c->options || c->common) fputs(" [flags]", out);
  if (c->operands) fprintf(out, c->operands_min ? " %s" : " [%s]", c->operands);
}

static void help_command(const struct args_program *p, const struct args_command *c, FILE *out) {
  fputs("Usage: ", out);
  usage_line(p, c, out);
  fprintf(out, "\n%s\n", c->summary);
  if (c->options || c->common) fputs("\nFlags:\n", out);
  help_options(c->options, false, out);
  help_options(c->common, false, out);
  if (has_later(c->options) || has_later(c->common)) {
    fputs("\nNot in this version:\n", out);
    help_options(c->options, true, out);
    help_options(c->common, true, out);
  }
  if (c->notes) fprintf(out, "\n%s", c->notes);
}

static void help_program(const struct args_program *p, FILE *out) {
  fprintf(out, "%s %s: %s\n\n", p->name, herz_version(), p->summary);
  for (int later = 0; later < 2; later++) {
    fputs(later ? "" : "Commands:\n", out);
    for (const struct args_command *c = p->commands; c->name; c++) {
      if ((c->later != NULL) != (later == 1)) continue;
      char line[160];
      snprintf(line, sizeof line, "  %s %s", c->name, c->operands ? c->operands : "");
      fputs(line, out);
      char text[256];
      snprintf(text, sizeof text, "%s%s", c->summary, c->later ? " (not in this version)" : "");
      print_wrapped(text, HELP_COLUMN, strlen(line), out);
    }
  }
  fprintf(out, "\n%s COMMAND --help lists a command's flags.", p->name);
  if (p->fallback) fprintf(out, " Without a command: %s.", p->fallback);
  fprintf(out, "\n\nExit codes: %s\n", exit_codes);
}

void args_help(const struct args_program *p, const struct args_command *c, FILE *out) {
  if (c)
    help_command(p, c, out);
  else
    help_program(p, out);
}

/* ---- bash completion ---------------------------------------------------------------------------
 */

static void completion_flags(const struct args_option *o, FILE *out) {
  for (; o && o->kind != ARGS_END; o++) {
    if (o->kind == ARGS_LATER) continue;
    fprintf(out, " --%s", o->name);
    if (o->letter) fprintf(out, " -%c", o->letter);
  }
}

/* One case arm for each flag whose value can be completed. */
static void completion_values(const struct args_option *o, FILE *out) {
  for (; o && o->kind != ARGS_END; o++) {
    if (!o->value || o->kind == ARGS_LATER) continue;
    fputs("        ", out);
    if (o->letter) fprintf(out, "-%c|", o->letter);
    fprintf(out, "--%s) ", o->name);
    if (o->kind != ARGS_FILE && o->kind != ARGS_DIR && o->kind != ARGS_CHOICE) fputs(":", out);
    if (o->kind == ARGS_FILE) fputs("COMPREPLY=($(compgen -f -- \"$cur\"))", out);
    if (o->kind == ARGS_DIR) fputs("COMPREPLY=($(compgen -d -- \"$cur\"))", out);
    if (o->kind == ARGS_CHOICE) {
      fputs("COMPREPLY=($(compgen -W '", out);
      for (const char *p = o->value; *p; p++) fputc(*p == '|' ? ' ' : *p, out);
      fputs("' -- \"$cur\"))", out);
    }
    fputs("; return ;;\n", out);
  }
}

static void completion_command(const struct args_command *c, FILE *out) {
  fprintf(out, "    %s)\n      case $prev in\n", c->name);
  completion_values(c->options, out);
  completion_values(c->common, out);
  fputs("        *) ;;\n      esac\n      words='--help", out);
  completion_flags(c->options, out);
  completion_flags(c->common, out);
  fputs("'\n", out);
  if (c->words) fprintf(out, "      [[ $cur == -* ]] || words='%s'\n", c->words);
  if (!c->words && c->operands && strstr(c->operands, "FILE")) {
    fputs("      [[ $cur == -* ]] || { COMPREPLY=($(compgen -f -- \"$cur\")); return; }\n", out);
  }
  fputs("      ;;\n", out);
}

void args_completion(const struct args_program *p, FILE *out) {
  fprintf(out,
          "# bash completion for %s; load it with: source <(%s completion bash)\n"
          "_%s() {\n"
          "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words command\n"
          "  COMPREPLY=()\n"
          "  command=${COMP_WORDS[1]:-}\n",
          p->name, p->name, p->name);
  if (p->fallback) {
    fprintf(out, "  [[ $COMP_CWORD -gt 1 || $cur == -* ]] && [[ $command == -* ]] && command=%s\n",
            p->fallback);
  }
  fputs("  if [[ $COMP_CWORD -eq 1 && $cur != -* ]]; then\n    COMPREPLY=($(compgen -W '", out);
  for (const struct args_command *c = p->commands; c->name; c++) {
    if (!c->later) fprintf(out, "%s ", c->name);
  }
  fputs("--help --version' -- \"$cur\"))\n    return\n  fi\n  case $command in\n", out);
  for (const struct args_command *c = p->commands; c->name; c++) {
    if (!c->later) completion_command(c, out);
  }
  fprintf(out,
          "    *) words='--help --version' ;;\n  esac\n"
          "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "}\ncomplete -o default -F _%s %s\n",
          p->name, p->name);
}

/* ---- manual page --------------------------------------------------------------------------------
 */

/* Text that roff must not read as its own. */
static void man_text(const char *text, FILE *out) {
  bool line_start = true;
  for (const char *p = text; *p; p++) {
    if (line_start && (*p == '.' || *p == '\'')) fputs("\\&", out);
    if (*p == '\\')
      fputs("\\e", out);
    else if (*p == '-')
      fputs("\\-", out);
    else
      fputc(*p, out);
    line_start = *p == '\n';
  }
}

static void man_options(const struct args_option *o, FILE *out) {
  for (; o && o->kind != ARGS_END; o++) {
    if (o->kind == ARGS_LATER) continue;
    char flag[96];
    flag_text(o, flag, sizeof flag);
    fputs(".TP\n", out);
    man_text(flag + (o->letter ? 0 : 4), out);
    fputc('\n', out);
    man_text(o->help, out);
    fputc('\n', out);
  }
}

void args_man(const struct args_program *p, FILE *out) {
  char upper[16];
  size_t i = 0;
  for (; p->name[i] && i + 1 < sizeof upper; i++) {
    upper[i] = (char)toupper((unsigned char)p->name[i]);
  }
  upper[i] = '\0';
  fprintf(out, ".TH %s 1 \"\" \"Herz %s\"\n.SH NAME\n%s \\- ", upper, herz_version(), p->name);
  man_text(p->summary, out);
  fputs("\n.SH COMMANDS\n", out);
  for (const struct args_command *c = p->commands; c->name; c++) {
    if (c->later) continue;
    fputs(".SS \"", out);
    usage_line(p, c, out);
    fputs("\"\n", out);
    man_text(c->summary, out);
    fputc('\n', out);
    if (c->notes) {
      fputs(".PP\n.nf\n", out);
      man_text(c->notes, out);
      fputs(".fi\n", out);
    }
    man_options(c->options, out);
    man_options(c->common, out);
  }
  fputs(".SH EXIT STATUS\n", out);
  man_text(exit_codes, out);
  fputs("\n.SH SEE ALSO\ndocs/cli.md of the project\n", out);
}
