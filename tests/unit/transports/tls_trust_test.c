/* Who is trusted, and what is said when somebody is not: certificates, names, dates, ALPN, client
 * certificates, files. Not here: records (tls_io_test.c). */
#include "tests/unit/transports/tls_util.h"

#define DAY 86400L

static struct tls_files good, other, old, early;
static struct tls_setup setup;

static void make_files(void) {
  tls_make(&good, "good", "localhost", -60, 3600);
  tls_make(&other, "other", "localhost", -60, 3600);
  tls_make(&old, "old", "localhost", -10 * DAY, -DAY);
  tls_make(&early, "early", "localhost", DAY, 10 * DAY);
  setup = (struct tls_setup){.server = {.cert_file = good.cert, .key_file = good.key},
                             .client = {.ca_file = good.cert}};
}
static void remove_files(void) {
  tls_remove(&good);
  tls_remove(&other);
  tls_remove(&old);
  tls_remove(&early);
}

TestSuite(tls_trust, .init = make_files, .fini = remove_files);

/* The handshake must fail at the client with this alert and these words; the server hears of it. */
static void client_refuses(unsigned alert, const char *words) {
  struct tls_pair p;
  tls_pair_init(&p, &setup);
  tls_turns(&p, 10);
  cr_assert_eq(p.client.opened, 0);
  cr_assert_eq(p.client.closes, 1);
  cr_assert_eq(p.client.why.err, HZ_ETLS);
  cr_assert_eq(p.client.why.layer, HZ_LAYER_TLS);
  cr_assert_eq(p.client.why.by, HZ_BY_LOCAL);
  cr_assert_not_null(strstr(p.client.why.text, words), "%s", p.client.why.text);
  cr_assert_eq(p.client.why.code, alert, "alert %u: %s", (unsigned)p.client.why.code,
               p.client.why.text);
  cr_assert_eq(p.server.closes, 1);
  cr_assert_eq(p.server.why.err, HZ_ETLS, "%s", p.server.why.text);
  cr_log_info("client: %s", p.client.why.text);
  cr_log_info("server: %s", p.server.why.text);
  tls_pair_fini(&p);
}

Test(tls_trust, unknown_authority_is_refused_with_the_remedy) {
  setup.client.ca_file = other.cert;
  client_refuses(48, "use --cacert or --insecure");
}

Test(tls_trust, the_systems_authorities_do_not_cover_a_self_signed_certificate) {
  struct hz_tls_ctx *ctx = NULL;
  const struct hz_tls_params params = {.role = HZ_CLIENT, .name = "localhost"};
  struct hz_alloc a;
  char why[256] = "";
  hz_alloc_init_libc(&a);
  setup.client.ca_file = NULL;
  if (hz_tls_ctx_new(&a, &setup.client, &params, &ctx, why, sizeof(why)) != HZ_OK) {
    cr_assert_not_null(strstr(why, "--cacert"), "%s", why); /* a machine without a bundle */
    return;
  }
  hz_tls_ctx_unref(ctx);
  client_refuses(48, "is not trusted");
}

Test(tls_trust, expired_certificate_is_refused_as_such) {
  setup.server = (struct hz_tls_config){.cert_file = old.cert, .key_file = old.key};
  setup.client.ca_file = old.cert;
  client_refuses(45, "has expired");
}

Test(tls_trust, certificate_from_the_future_is_refused_as_such) {
  setup.server = (struct hz_tls_config){.cert_file = early.cert, .key_file = early.key};
  setup.client.ca_file = early.cert;
  client_refuses(45, "not valid yet"); /* there is no alert of its own for that */
}

Test(tls_trust, wrong_name_is_refused_and_named) {
  setup.name = "example.org";
  client_refuses(42, "not for \"example.org\"");
}

Test(tls_trust, wrong_address_is_refused_and_named) {
  setup.name = "192.0.2.7";
  client_refuses(42, "192.0.2.7");
}

static void opens(void) {
  struct tls_pair p;
  tls_pair_open(&p, &setup);
  tls_pair_fini(&p);
}

Test(tls_trust, unknown_authority_is_refused_at_an_address_too) {
  setup.name = "127.0.0.1";
  setup.client.ca_file = other.cert;
  client_refuses(48, "use --cacert or --insecure");
}

Test(tls_trust, addresses_in_the_certificate_are_verified) {
  setup.name = "127.0.0.1";
  opens();
  setup.name = "::1";
  opens();
}

Test(tls_trust, configured_server_name_goes_before_the_urls) {
  setup.name = "192.0.2.7";
  setup.client.server_name = "localhost";
  opens();
}

Test(tls_trust, insecure_trusts_anybody_and_claims_nothing) {
  struct tls_pair p;
  setup.client = (struct hz_tls_config){.insecure = true};
  setup.name = "example.org";
  tls_pair_open(&p, &setup);
  cr_assert_not(p.client.peer.tls_verified);
  cr_assert(p.client.peer.tls);
  tls_pair_fini(&p);
}

Test(tls_trust, alpn_without_anything_in_common_fails_on_both_sides) {
  struct tls_pair p;
  setup.client_alpn = "other/9";
  tls_pair_init(&p, &setup);
  tls_turns(&p, 10);
  cr_assert_eq(p.client.opened + p.server.opened, 0);
  cr_assert_eq(p.server.closes, 1);
  cr_assert_eq(p.server.why.code, 120, "%s", p.server.why.text);
  cr_assert_eq(p.client.closes, 1);
  cr_assert_eq(p.client.why.by, HZ_BY_PEER);
  cr_assert_eq(p.client.why.code, 120, "%s", p.client.why.text);
  tls_pair_fini(&p);
}

Test(tls_trust, alpn_is_chosen_by_what_the_client_offers) {
  struct tls_pair p;
  setup.client_alpn = "http/1.1";
  tls_pair_open(&p, &setup);
  cr_assert_str_eq(p.server.peer.alpn, "http/1.1");
  cr_assert_str_eq(p.client.peer.alpn, "http/1.1");
  tls_pair_fini(&p);
}

Test(tls_trust, client_certificate_is_verified_and_its_subject_known) {
  struct tls_pair p;
  struct tls_files client;
  tls_make(&client, "client", "worker-7", -60, 3600);
  setup.server.ca_file = client.cert;
  setup.server.require_client_cert = true;
  setup.client.cert_file = client.cert;
  setup.client.key_file = client.key;
  tls_pair_open(&p, &setup);
  cr_assert(p.server.peer.tls_verified);
  cr_assert_str_eq(p.server.peer.tls_subject, "worker-7");
  tls_pair_fini(&p);
  tls_remove(&client);
}

Test(tls_trust, missing_client_certificate_fails_when_it_is_required) {
  struct tls_pair p;
  setup.server.ca_file = other.cert;
  setup.server.require_client_cert = true;
  tls_pair_init(&p, &setup);
  tls_turns(&p, 10);
  cr_assert_eq(p.server.opened, 0);
  cr_assert_eq(p.server.closes, 1);
  cr_assert_eq(p.server.why.code, 116, "%s", p.server.why.text);
  cr_assert_eq(p.client.closes, 1);
  cr_assert_eq(p.client.why.code, 116, "%s", p.client.why.text);
  cr_assert_not_null(strstr(p.client.why.text, "--cert"), "%s", p.client.why.text);
  tls_pair_fini(&p);
}

Test(tls_trust, missing_client_certificate_passes_unverified_when_it_is_not_required) {
  struct tls_pair p;
  setup.server.ca_file = other.cert;
  tls_pair_open(&p, &setup);
  cr_assert_not(p.server.peer.tls_verified);
  cr_assert_str_eq(hz_peer_subject(&p.server.peer), "");
  tls_pair_fini(&p);
}

Test(tls_trust, foreign_client_certificate_is_refused) {
  struct tls_pair p;
  setup.server.ca_file = other.cert;
  setup.server.require_client_cert = true;
  setup.client.cert_file = good.cert;
  setup.client.key_file = good.key;
  tls_pair_init(&p, &setup);
  tls_turns(&p, 10);
  cr_assert_eq(p.server.opened, 0);
  cr_assert_eq(p.server.closes, 1);
  cr_assert_eq(p.server.why.err, HZ_ETLS);
  cr_assert_eq(p.server.why.code, 48, "%s", p.server.why.text);
  tls_pair_fini(&p);
}

/* --- files ------------------------------------------------------------------------------------- */

static void context_fails(enum hz_role role, const struct hz_tls_config *c, hz_err expected,
                          const char *first, const char *second) {
  const struct hz_tls_params params = {.role = role, .name = "localhost"};
  struct hz_tls_ctx *ctx = NULL;
  struct hz_alloc a;
  char why[256] = "";
  hz_alloc_init_libc(&a);
  cr_assert_eq(hz_tls_ctx_new(&a, c, &params, &ctx, why, sizeof(why)), expected, "%s", why);
  cr_assert_not_null(strstr(why, first), "%s", why);
  cr_assert_not_null(strstr(why, second), "%s", why);
}

Test(tls_trust, key_that_does_not_match_is_told_with_both_files) {
  const struct hz_tls_config c = {.cert_file = good.cert, .key_file = other.key};
  context_fails(HZ_SERVER, &c, HZ_ETLS, good.cert, other.key);
}

Test(tls_trust, missing_files_are_told_by_name) {
  const struct hz_tls_config cert = {.cert_file = "/nowhere/a.crt", .key_file = good.key};
  const struct hz_tls_config key = {.cert_file = good.cert, .key_file = "/nowhere/a.key"};
  const struct hz_tls_config ca = {.ca_file = "/nowhere/ca.crt"};
  context_fails(HZ_SERVER, &cert, HZ_ETLS, "/nowhere/a.crt", "No such file");
  context_fails(HZ_SERVER, &key, HZ_ETLS, "/nowhere/a.key", "No such file");
  context_fails(HZ_CLIENT, &ca, HZ_ETLS, "/nowhere/ca.crt", "No such file");
}

Test(tls_trust, files_of_another_kind_are_told_by_name) {
  char text[64];
  tls_write(text, sizeof(text), "text", "no certificate at all\n");
  const struct hz_tls_config cert = {.cert_file = text, .key_file = good.key};
  const struct hz_tls_config key = {.cert_file = good.cert, .key_file = text};
  const struct hz_tls_config ca = {.ca_file = text};
  context_fails(HZ_SERVER, &cert, HZ_ETLS, text, "not a PEM certificate");
  context_fails(HZ_SERVER, &key, HZ_ETLS, text, "not a PEM private key");
  context_fails(HZ_CLIENT, &ca, HZ_ETLS, text, "not PEM");
  unlink(text);
}

Test(tls_trust, server_needs_both_files_and_an_authority_to_require_certificates) {
  const struct hz_tls_config none = {.ca_file = NULL}, half = {.cert_file = good.cert};
  const struct hz_tls_config lax = {
      .cert_file = good.cert, .key_file = good.key, .require_client_cert = true};
  context_fails(HZ_SERVER, &none, HZ_EINVAL, "certificate", "key");
  context_fails(HZ_SERVER, &half, HZ_EINVAL, "certificate", "key");
  context_fails(HZ_SERVER, &lax, HZ_EINVAL, "client certificates", "CA file");
}
