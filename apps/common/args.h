/* Command lines: one table a command drives the parsing, --help, the bash completion and the man
 * page, so that none of them can lag behind. Not here: what a flag does (the commands). */
#ifndef APPS_COMMON_ARGS_H
#define APPS_COMMON_ARGS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** How often a repeatable flag may be given. */
#define ARGS_LIST_MAX 128u
struct args_list {
  size_t count;
  const char *items[ARGS_LIST_MAX];
};

/** What a flag takes, and what `into` points at. */
enum args_kind {
  ARGS_END,    /* the end of a table */
  ARGS_FLAG,   /* nothing; bool */
  ARGS_TEXT,   /* const char * */
  ARGS_FILE,   /* const char *: completion offers files */
  ARGS_DIR,    /* const char *: completion offers directories */
  ARGS_CHOICE, /* const char *: one of `value`, which is "a|b|c" */
  ARGS_NUMBER, /* uint32_t, at most `max` */
  ARGS_MILLIS, /* uint32_t milliseconds; given in seconds, decimals allowed; at most `max` seconds
                */
  ARGS_LIST,   /* struct args_list: may be repeated */
  ARGS_LATER   /* known, but not in this version: refused with `help` as the reason */
};

struct args_option {
  enum args_kind kind;
  char letter;       /* 0: none */
  const char *name;  /* the long form, without dashes */
  const char *value; /* how help names the value; NULL: takes none */
  const char *help;
  void *into;
  uint32_t max;
};

struct args;

struct args_command {
  const char *name;
  const char *operands; /* as help shows them: "URL"; NULL: none */
  const char *summary;  /* one sentence */
  const char *notes;    /* more for --help, whole lines; NULL: nothing */
  const char *words;    /* the operands there are, blank-separated, for completion; NULL: free */
  const struct args_option *options;
  const struct args_option *common; /* a second table, shared between commands; NULL: none */
  int operands_min, operands_max;
  const char *later;                /* not in this version: why; NULL: it is */
  int (*run)(const struct args *a); /* returns the exit code */
};

struct args_program {
  const char *name;
  const char *summary;
  const struct args_command *commands; /* ends with a NULL name */
  const char *fallback;                /* the command when none is named; NULL: one must be */
};

/** A parsed command line; flags stand where the table points. */
struct args {
  const struct args_program *program;
  const struct args_command *command;
  int operand_count;
  char **operands;
};

/** Parses `argv`, runs the command and returns the exit code. --help and errors are dealt with. */
int args_main(const struct args_program *program, int argc, char **argv);

/** The help page of `command` (NULL: of the program). */
void args_help(const struct args_program *program, const struct args_command *command, FILE *out);

/** A bash completion script for the program. */
void args_completion(const struct args_program *program, FILE *out);

/** The manual page of the program, as roff. */
void args_man(const struct args_program *program, FILE *out);

#endif
