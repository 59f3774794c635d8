/* Parsing by getopt_long out of the tables of args.h. Not here: help, completion and manual page
 * (args_text.c). */
#include "apps/common/args.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <herz/herz.h>

#include "apps/common/exits.h"

#define OPTIONS_MAX 64
#define HELP_VALUE 1 /* what getopt_long() returns for -h and --help */
#define LONG_BASE 256

/* Both tables of a command as one list, the way getopt_long() wants them. */
struct spec {
  const struct args_option *options[OPTIONS_MAX];
  struct option longs[OPTIONS_MAX + 2];
  char letters[3 * OPTIONS_MAX];
  int count;
};

static void spec_add(struct spec *s, const struct args_option *o) {
  char *end = s->letters + strlen(s->letters);
  for (; o && o->kind != ARGS_END && s->count < OPTIONS_MAX; o++) {
    s->options[s->count] = o;
    s->longs[s->count] = (struct option){o->name, o->value ? required_argument : no_argument, NULL,
                                         LONG_BASE + s->count};
    if (o->letter) {
      *end++ = o->letter;
      if (o->value) *end++ = ':';
      *end = '\0';
    }
    s->count++;
  }
}

static void spec_make(struct spec *s, const struct args_command *c) {
  memset(s, 0, sizeof *s);
  strcpy(s->letters, ":h"); /* the colon: a missing value is told apart from an unknown flag */
  spec_add(s, c->options);
  spec_add(s, c->common);
  s->longs[s->count] = (struct option){"help", no_argument, NULL, HELP_VALUE};
}

static const struct args_option *spec_find(const struct spec *s, int got) {
  if (got >= LONG_BASE && got < LONG_BASE + s->count) return s->options[got - LONG_BASE];
  for (int i = 0; i < s->count; i++) {
    if (s->options[i]->letter && s->options[i]->letter == got) return s->options[i];
  }
  return NULL;
}

static bool in_choices(const char *choices, const char *value) {
  size_t len = strlen(value);
  for (const char *p = choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL) {
    if (strncmp(p, value, len) == 0 && (p[len] == '|' || p[len] == '\0')) return len > 0;
  }
  return false;
}

static int bad_value(const struct args_option *o, const char *value, const char *wanted) {
  return fail(EXIT_USAGE, "--%s %s: %s", o->name, value, wanted);
}

static int take_number(const struct args_option *o, const char *value) {
  char *end = NULL;
  errno = 0;
  unsigned long long n = strtoull(value, &end, 10);
  if (errno || end == value || *end || value[0] == '-' || n > o->max) {
    char wanted[80];
    snprintf(wanted, sizeof wanted, "give a whole number from 0 to %u", o->max);
    return bad_value(o, value, wanted);
  }
  *(uint32_t *)o->into = (uint32_t)n;
  return EXIT_OK;
}

static int take_millis(const struct args_option *o, const char *value) {
  char *end = NULL;
  errno = 0;
  double seconds = strtod(value, &end);
  if (errno || end == value || *end || !(seconds > 0) || seconds > o->max) {
    char wanted[96];
    snprintf(wanted, sizeof wanted, "give seconds, more than 0 and at most %u (2, or 0.25)",
             o->max);
    return bad_value(o, value, wanted);
  }
  *(uint32_t *)o->into = (uint32_t)ceil(seconds * 1000.0);
  return EXIT_OK;
}

static int take(const struct args_option *o, const char *value) {
  switch (o->kind) {
    case ARGS_FLAG: *(bool *)o->into = true; return EXIT_OK;
    case ARGS_TEXT:
    case ARGS_FILE:
    case ARGS_DIR: *(const char **)o->into = value; return EXIT_OK;
    case ARGS_CHOICE:
      if (!in_choices(o->value, value)) {
        char wanted[128];
        snprintf(wanted, sizeof wanted, "give one of %s", o->value);
        return bad_value(o, value, wanted);
      }
      *(const char **)o->into = value;
      return EXIT_OK;
    case ARGS_NUMBER: return take_number(o, value);
    case ARGS_MILLIS: return take_millis(o, value);
    case ARGS_LIST: {
      struct args_list *list = o->into;
      if (list->count == ARGS_LIST_MAX) return bad_value(o, value, "given too often (at most 128)");
      list->items[list->count++] = value;
      return EXIT_OK;
    }
    case ARGS_LATER: return fail(EXIT_USAGE, "--%s is not in this version: %s", o->name, o->help);
    case ARGS_END: break;
  }
  return EXIT_USAGE;
}

static const char *help_hint(const struct args_program *p, const struct args_command *c) {
  static char hint[96];
  bool named = !p->fallback || strcmp(p->fallback, c->name) != 0;
  snprintf(hint, sizeof hint, "%s%s%s --help lists the flags", p->name, named ? " " : "",
           named ? c->name : "");
  return hint;
}

static int bad_flag(const struct args *a, const struct spec *s, int got, const char *word) {
  const struct args_option *o = spec_find(s, optopt);
  if (got == ':' && o) return fail(EXIT_USAGE, "%s: give its value too: %s", word, o->value);
  if (o && !o->value && strchr(word, '=')) {
    return fail(EXIT_USAGE, "%s: --%s takes no value", word, o->name);
  }
  if (optopt && optopt < LONG_BASE) {
    return fail(EXIT_USAGE, "-%c: no such flag; %s", optopt, help_hint(a->program, a->command));
  }
  return fail(EXIT_USAGE, "%s: no such flag, or not a whole one; %s", word,
              help_hint(a->program, a->command));
}

static int check_operands(const struct args *a) {
  const struct args_command *c = a->command;
  if (a->operand_count < c->operands_min) {
    return fail(EXIT_USAGE, "%s: give %s; %s", c->name, c->operands, help_hint(a->program, c));
  }
  if (a->operand_count > c->operands_max) {
    return fail(EXIT_USAGE, "%s: one word too many; %s", a->operands[c->operands_max],
                help_hint(a->program, c));
  }
  return EXIT_OK;
}

static int run_command(struct args *a, int argc, char **argv) {
  const struct args_command *c = a->command;
  if (c->later) return fail(EXIT_USAGE, "%s is not in this version: %s", c->name, c->later);
  struct spec s;
  spec_make(&s, c);
  opterr = 0;
  optind = 1;
  for (;;) {
    int before = optind;
    int got = getopt_long(argc, argv, s.letters, s.longs, NULL);
    if (got == -1) break;
    if (got == HELP_VALUE || got == 'h') {
      args_help(a->program, c, stdout);
      return flush_stdout();
    }
    const struct args_option *o = spec_find(&s, got);
    if (!o) return bad_flag(a, &s, got, argv[optind > before ? optind - 1 : before]);
    int code = take(o, optarg);
    if (code != EXIT_OK) return code;
  }
  a->operands = argv + optind;
  a->operand_count = argc - optind;
  int code = check_operands(a);
  return code != EXIT_OK ? code : c->run(a);
}

static const struct args_command *find_command(const struct args_program *p, const char *name) {
  for (const struct args_command *c = p->commands; c->name; c++) {
    if (strcmp(c->name, name) == 0) return c;
  }
  return NULL;
}

int args_main(const struct args_program *program, int argc, char **argv) {
  struct args a = {.program = program};
  exits_program(program->name);
  const char *word = argc > 1 ? argv[1] : NULL;
  if (word && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
               (strcmp(word, "help") == 0 && argc == 2))) {
    args_help(program, NULL, stdout);
    return flush_stdout();
  }
  if (word && strcmp(word, "--version") == 0) {
    printf("%s %s\n", program->name, herz_version());
    return flush_stdout();
  }
  a.command = word ? find_command(program, word) : NULL;
  if (a.command) return run_command(&a, argc - 1, argv + 1);
  if (program->fallback && (!word || word[0] == '-')) {
    a.command = find_command(program, program->fallback);
    return run_command(&a, argc, argv);
  }
  if (!word) {
    args_help(program, NULL, stderr);
    return EXIT_USAGE;
  }
  return fail(EXIT_USAGE, "%s: no such command; %s --help lists them", word, program->name);
}
