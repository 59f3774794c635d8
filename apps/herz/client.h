/* What every command that connects has in common: flags, configuration, trust, the connection and
 * the sentence for its end. */
#ifndef APPS_HERZ_CLIENT_H
#define APPS_HERZ_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <herz/herz.h>

#include "apps/common/args.h"

struct client_options {
  bool insecure, verbose, quiet, no_early_data;
  const char *cacert, *cert, *key, *qlog_dir, *session_file;
  uint32_t timeout_ms; /* 0: not given */
};
extern struct client_options client_options;
extern const struct args_option client_flags[];

struct client {
  char url[8192]; /* or several, blanks between */
  herz_app *app;
  herz_client *cl;
  bool reconnect,
      resume; /* set before client_open(): when the connection goes, another; the session goes on */
  bool patient;                   /* and so: waits for as long as nobody can be reached at first */
  bool connected, closed, faulty; /* faulty: the dial itself failed, before anything was sent */
  bool stands, told, gave_up;     /* told: that there is no connection yet */
  uint32_t urls, tries;
  uint64_t start_ns, connected_ns;
  int err; /* why the connection ended */
  char text[256];
  struct herz_peer peer; /* of the time it stood: text copied below */
  char transport[16], address[64], subject[64];
  void (*on_connected)(struct client *c, void *arg); /* NULL: nobody asks */
  void *arg;
};

uint64_t client_now_ns(void);

/** Completes the URL, makes the app, applies flags and environment. EXIT_OK, or an exit code after
 * saying why. */
int client_prepare(struct client *c, const char *url);

/** The same with all of them, or the path "/" when there are none, and starts to connect. */
int client_open(struct client *c, char *const urls[], int count);

/** Starts to close; the loop ends when that is done. */
void client_close(struct client *c);

/** Frees what client_open() made. */
void client_free(struct client *c);

/** Says why there is no connection or answer, with a remedy, and returns the exit code. `err` and
 * `text` are the call's; the connection's own reason takes their place where it says more. */
int client_failed(const struct client *c, int err, const char *text);

#endif
