/* The daemon's parts and what its command line said. */
#ifndef APPS_HERZD_HERZD_H
#define APPS_HERZD_HERZD_H

#include <stdbool.h>
#include <stdint.h>

#include <herz/herz.h>

#include "apps/common/args.h"
#include "apps/common/paths.h"

struct herzd_options {
  bool dev;
  struct args_list listen;
  struct args_list files;
  struct args_list set;
  const char *log_format, *log_level, *qlog_dir;
  const char *cert, *key, *client_ca;
  const char *workers, *ready_file, *admin;
  bool build; /* version --build */
};
extern struct herzd_options herzd_options;

/** The certificate that is served: the development one, or the files of --cert and --key. */
struct herzd_cert {
  bool dev, temporary; /* temporary: made for this run, in a directory that goes with it */
  struct dev_files files;
  char sha256[64];
  int days_left;
};

/** Where herzd listens, once it does. */
#define HERZD_URL_LEN 512
struct herzd_bound {
  size_t count;
  char urls[ARGS_LIST_MAX][HERZD_URL_LEN];
  char admin[HERZD_URL_LEN]; /* "": none */
};
extern struct herzd_bound herzd_bound;

/** An app with every flag and key applied; no routes, no listeners. NULL: said why on stderr. */
herz_app *herzd_app(void);

/** Is `text` a URL that herzd listens at? EXIT_OK, or EXIT_USAGE after saying what it should be. */
int herzd_listen_url(const char *text);

/** Finds or makes the certificate and sets it. EXIT_OK, or an exit code after saying why. */
int herzd_certificate(herz_app *app, struct herzd_cert *cert);

/** Finds or makes the development certificate alone. */
int herzd_dev_certificate(struct herzd_cert *cert);

/** The routes of --dev (demo.c). The state behind them is freed by herzd_demo_free(), after the
 * app. NULL: said why on stderr. */
struct demo;
struct console;
struct demo *herzd_demo(herz_app *app, struct console *k);
/** Completes what is still promised: before the app is freed. */
void herzd_demo_end(struct demo *d);
void herzd_demo_free(struct demo *d);

/** The directories of --files, after the demo's routes, whose middleware they share. EXIT_OK, or EXIT_USAGE
 * after saying why. */
int herzd_files(herz_app *app);
/** A line each for the block that says what stands. */
void herzd_files_print(void);

/** The console (console.c), to be mounted; freed after the app. `cert` outlives it. NULL: said why on stderr. */
struct console *herzd_console(herz_app *app, const struct herzd_cert *cert);
/** Adds what the page consists of and what it shows, beneath /console. 0 or HERZ_E*. */
int herzd_console_mount(struct console *k, herz_group *g);
/** Answers with the page, and whether the request would rather have that than a text. */
void herzd_console_page(herz_ctx *c);
bool herzd_console_wanted(herz_ctx *c);
void herzd_console_free(struct console *k);

/** The routes of the admin listener (admin.c). NULL: said why on stderr. */
herz_group *herzd_admin(herz_app *app, struct console *k);
/** The origins of pages from there, as herz_set("ws.origins") takes them; "": there are none, or their port is
 * not known yet. */
void herzd_admin_origins(char *out, size_t len);
/** Where it listens, by --admin and --listen; "" : nowhere. EXIT_OK, or EXIT_USAGE after saying what
 * --admin should be. */
int herzd_admin_url(char *out, size_t len);

/** The commands. */
int herzd_run(const struct args *a);
int herzd_check(const struct args *a);
int herzd_config(const struct args *a);
int herzd_cert(const struct args *a);

/** Nanoseconds of the monotonic clock at the start of main(). */
extern uint64_t herzd_started_ns;
uint64_t herzd_now_ns(void);

#endif
