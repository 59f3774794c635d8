/* The list of URLs that herz_dial() takes: what is none, and how it is said which one is wrong. */
#include <stdlib.h>

#include "tests/unit/app/app_util.h"

static herz_app *app;

static void make_app(void) {
  app = herz_app_new("log.level=off");
}
static void free_app(void) {
  herz_app_free(app);
}
TestSuite(urls, .init = make_app, .fini = free_app);

static void refused(const char *urls, bool resume, const char *words) {
  herz_client *cl =
      herz_dial(app, urls, &(struct herz_dial_options){.reconnect = resume, .resume = resume});

  cr_assert_null(cl, "\"%s\" was taken", urls);
  cr_assert_not_null(strstr(herz_error(app), words), "\"%s\": %s", urls, herz_error(app));
}

Test(urls, none_are_said_to_be_none) {
  refused(NULL, false, "there is no URL");
  refused("", false, "there is no URL");
  refused("  \t\n ", false, "there is no URL");
}

Test(urls, the_one_that_is_wrong_is_named) {
  refused("mem://a mem://b:port mem://c", false, "URL 2 of 3: port \"port\"");
  refused("mem://a mem://b nonsense", false, "URL 3 of 3: URL \"nonsense\" has no scheme");
  refused("nowhere://a mem://b", false, "URL 1 of 2: nowhere://a: there is no transport");
  refused("mem://a,mem://b", false, "port \"\"");
  refused("mem://a http://b", false, "URL 2 of 2: http:// carries calls only");
}

Test(urls, of_a_single_one_no_number_is_told) {
  refused("  nowhere://a ", false, "nowhere://a: there is no transport");
  cr_assert_null(strstr(herz_error(app), "URL 1"));
  refused("http://a", true, "http:// carries calls only");
}

Test(urls, so_many_and_no_more) {
  herz_client *cl =
      herz_dial(app, "mem://u1 mem://u2 mem://u3 mem://u4 mem://u5 mem://u6 mem://u7 mem://u8",
                &(struct herz_dial_options){.reconnect = true});

  cr_assert_not_null(cl, "%s", herz_error(app));
  refused("mem://u1 mem://u2 mem://u3 mem://u4 mem://u5 mem://u6 mem://u7 mem://u8 mem://u9", true,
          "there are 9 URLs: give up to 8");
}

Test(urls, a_long_one_is_refused_with_its_length) {
  char *text = malloc(10000);

  memset(text, 'x', 9999);
  memcpy(text, "mem://a mem://b/", 16);
  text[9999] = '\0';
  refused(text, false, "URL 2 of 2: the URL has 9991 bytes, the limit is 8192");
  free(text);
}

/* ---- which is tried ---- */

struct seen {
  int begun, stood, closed;
};

static void on_state(herz_client *cl, enum herz_client_state state,
                     const struct herz_close_info *info, void *arg) {
  struct seen *s = arg;

  (void)cl, (void)info;
  s->begun += state == HERZ_CONNECTING;
  s->stood += state == HERZ_CONNECTED;
  s->closed += state == HERZ_CLOSED;
}

static void dial_once(const char *urls, struct seen *s) {
  *s = (struct seen){0};
  cr_assert_not_null(
      herz_dial(app, urls, &(struct herz_dial_options){.on_state = on_state, .arg = s}));
  for (int i = 0; i < 1000 && s->stood + s->closed == 0; i++) herz_loop_once(app, 10);
}

/* Blanks of any kind, and the same twice, which counts twice. */
Test(urls, without_reconnect_each_is_tried_once) {
  static struct seen s; /* stands until the app has gone */

  dial_once("\tmem://nobody \r\n mem://nobody  mem://neither\n", &s);
  cr_assert(s.begun == 3 && s.stood == 0 && s.closed == 1, "%d begun", s.begun);
  cr_assert_eq(herz_listen(app, "mem://somebody", NULL, 0), 0);
  dial_once("mem://nobody mem://somebody mem://neither", &s);
  cr_assert(s.begun == 2 && s.stood == 1 && s.closed == 0);
}
