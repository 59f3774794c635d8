/* The list of URLs that a client is dialled with. Not here: what a URL is made of (core/transport/endpoint.h), which of
 * them is in use (client.c). */
#include <stdio.h>
#include <string.h>

#include "core/app/client.h"

#define BLANKS " \t\r\n"

static uint32_t count_urls(const char *urls) {
  uint32_t n = 0;

  for (urls += strspn(urls, BLANKS); *urls != '\0'; urls += strspn(urls, BLANKS)) {
    urls += strcspn(urls, BLANKS);
    n++;
  }
  return n;
}

static hz_err read_url(herz_app *app, struct hz_str url, struct hz_client_target *out) {
  struct hz_worker *w = hz_worker_here(app);
  hz_err err = hz_endpoint_parse(url, HZ_TO_DIAL, &out->endpoint, w->error, sizeof(w->error));

  if (err != HZ_OK) return err;
  out->ops = hz_transport_find(hz_str_of(out->endpoint.scheme));
  if (out->ops != NULL) return HZ_OK;
  char schemes[128];

  hz_transport_list(false, schemes, sizeof(schemes));
  return (hz_err)hz_app_fail(app, HZ_EUNSUPPORTED,
                             "%.*s: there is no transport \"%s://\" in this version; there are: %s",
                             HZ_STR_ARG(url), out->endpoint.scheme, schemes);
}

/* A client that carries calls only has no session, and cannot be one of several. */
static hz_err check_together(herz_app *app, const struct hz_client_target *t, uint32_t n,
                             bool resume) {
  if (t->ops->request == NULL || (n == 1 && !resume)) return HZ_OK;
  return (hz_err)hz_app_fail(app, HZ_EUNSUPPORTED,
                             "%s:// carries calls only: it has no session that could go on%s",
                             t->ops->scheme, n == 1 ? "" : " at another URL");
}

/* Which of several is wrong. */
static void say_which(herz_app *app, uint32_t i, uint32_t n) {
  char why[sizeof(hz_worker_here(app)->error)];

  if (n == 1) return;
  (void)snprintf(why, sizeof(why), "%s", herz_error(app));
  (void)hz_app_fail(app, HZ_EINVAL, "URL %u of %u: %s", i + 1, n, why);
}

uint32_t hz_client_read_urls(herz_app *app, const char *urls, bool resume,
                             struct hz_client_target out[HZ_CLIENT_URLS_MAX]) {
  uint32_t n = urls == NULL ? 0 : count_urls(urls);

  if (n == 0) {
    (void)hz_app_fail(app, HZ_EINVAL,
                      "there is no URL to dial: give one, or up to %u with blanks between",
                      HZ_CLIENT_URLS_MAX);
    return 0;
  }
  if (n > HZ_CLIENT_URLS_MAX) {
    (void)hz_app_fail(app, HZ_EINVAL, "there are %u URLs: give up to %u", n, HZ_CLIENT_URLS_MAX);
    return 0;
  }
  for (uint32_t i = 0; i < n; i++) {
    urls += strspn(urls, BLANKS);
    size_t len = strcspn(urls, BLANKS);
    if (read_url(app, (struct hz_str){urls, len}, &out[i]) != HZ_OK ||
        check_together(app, &out[i], n, resume) != HZ_OK) {
      say_which(app, i, n);
      return 0;
    }
    urls += len;
  }
  return n;
}
