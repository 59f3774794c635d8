/* The development certificate: what browsers and openssl want of it. */
#include "tests/unit/transports/tls_util.h"

#include <sys/wait.h>

#define DAY UINT64_C(86400)

static struct hz_cert_pem make_dev(uint64_t now) {
  struct hz_cert_pem pem;
  char why[256] = "";
  cr_assert_eq(hz_cert_make_dev(now, &pem, why, sizeof(why)), HZ_OK, "%s", why);
  return pem;
}

Test(tls_cert, development_certificate_is_valid_under_fourteen_days_from_an_hour_ago) {
  uint64_t now = (uint64_t)time(NULL);
  struct hz_cert_pem pem = make_dev(now);
  cr_assert_eq(pem.info.not_before_s, now - 3600);
  cr_assert_eq(pem.info.not_after_s, now + HZ_CERT_DEV_DAYS * DAY + 3600);
  cr_assert_lt(pem.info.not_after_s - pem.info.not_before_s, 14 * DAY);
  cr_assert_str_eq(pem.info.subject, "localhost");
  cr_assert_eq(strlen(pem.info.sha256), 44);
}

Test(tls_cert, two_certificates_differ_in_key_and_fingerprint) {
  uint64_t now = (uint64_t)time(NULL);
  struct hz_cert_pem a = make_dev(now), b = make_dev(now);
  cr_assert_str_neq(a.key, b.key);
  cr_assert_str_neq(a.info.sha256, b.info.sha256);
}

Test(tls_cert, reading_gives_back_what_was_made) {
  struct hz_cert_pem pem = make_dev((uint64_t)time(NULL));
  struct hz_cert_info text, file;
  char path[64], why[256] = "";
  cr_assert_eq(hz_cert_read(pem.cert, strlen(pem.cert), &text), HZ_OK);
  cr_assert_eq(memcmp(&text, &pem.info, sizeof(text)), 0);
  tls_write(path, sizeof(path), "read.crt", pem.cert);
  cr_assert_eq(hz_cert_read_file(path, &file, why, sizeof(why)), HZ_OK, "%s", why);
  cr_assert_eq(memcmp(&file, &pem.info, sizeof(file)), 0);
  unlink(path);
}

Test(tls_cert, reading_refuses_what_is_no_certificate_and_names_the_file) {
  struct hz_cert_pem pem = make_dev((uint64_t)time(NULL));
  struct hz_cert_info info;
  char path[64], why[256] = "";
  cr_assert_eq(hz_cert_read("nothing", 7, &info), HZ_ETLS);
  cr_assert_eq(hz_cert_read(pem.cert, 0, &info), HZ_ETLS);
  cr_assert_eq(hz_cert_read(pem.cert, strlen(pem.cert) / 2, &info), HZ_ETLS);
  cr_assert_eq(hz_cert_read(pem.key, strlen(pem.key), &info), HZ_ETLS);
  cr_assert_eq(hz_cert_read_file("/nowhere/x.crt", &info, why, sizeof(why)), HZ_ETLS);
  cr_assert_not_null(strstr(why, "/nowhere/x.crt"), "%s", why);
  tls_write(path, sizeof(path), "key.crt", pem.key);
  cr_assert_eq(hz_cert_read_file(path, &info, why, sizeof(why)), HZ_ETLS);
  cr_assert_not_null(strstr(why, path), "%s", why);
  unlink(path);
}

Test(tls_cert, expiring_is_told_a_day_ahead_and_before_its_time) {
  const struct hz_cert_info info = {.not_before_s = 100 * DAY, .not_after_s = 113 * DAY};
  cr_assert(hz_cert_expiring(&info, 100 * DAY - 1));
  cr_assert_not(hz_cert_expiring(&info, 100 * DAY));
  cr_assert_not(hz_cert_expiring(&info, 112 * DAY - 1));
  cr_assert(hz_cert_expiring(&info, 112 * DAY));
}

Test(tls_cert, impossible_names_and_addresses_are_refused_by_name) {
  char longname[200], why[256] = "";
  memset(longname, 'a', sizeof(longname) - 1);
  longname[sizeof(longname) - 1] = '\0';
  const char *dns[] = {longname, NULL}, *none[] = {NULL}, *ip[] = {"1.2.3.four", NULL};
  struct hz_cert_pem pem;
  struct hz_cert_spec spec = {.common_name = "x", .dns = dns, .ip = none, .not_after_s = DAY};
  cr_assert_eq(hz_cert_make(&spec, &pem, why, sizeof(why)), HZ_EINVAL);
  spec.dns = none;
  spec.ip = ip;
  cr_assert_eq(hz_cert_make(&spec, &pem, why, sizeof(why)), HZ_EINVAL);
  cr_assert_not_null(strstr(why, "1.2.3.four"), "%s", why);
}

/* What a command prints, at most `size` bytes; -1 when it fails. */
static int run(const char *command, char *out, size_t size) {
  FILE *f = popen(command, "r");
  cr_assert_not_null(f);
  size_t n = fread(out, 1, size - 1, f);
  out[n] = '\0';
  int status = pclose(f);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(tls_cert, openssl_accepts_it_and_reads_the_same_in_it) {
  struct hz_cert_pem pem = make_dev((uint64_t)time(NULL));
  char cert[64], key[64], command[512], out[8192], host[64] = "";
  if (run("command -v openssl", out, sizeof(out)) != 0) cr_skip("openssl is not installed");
  tls_write(cert, sizeof(cert), "dev.crt", pem.cert);
  tls_write(key, sizeof(key), "dev.key", pem.key);
  (void)snprintf(command, sizeof(command), "openssl verify -CAfile %s %s 2>&1", cert, cert);
  cr_assert_eq(run(command, out, sizeof(out)), 0, "%s", out);
  (void)snprintf(command, sizeof(command),
                 "openssl verify -x509_strict -verify_hostname localhost "
                 "-purpose sslserver -CAfile %s %s 2>&1",
                 cert, cert);
  cr_assert_eq(run(command, out, sizeof(out)), 0, "%s", out);
  (void)snprintf(command, sizeof(command), "openssl x509 -in %s -noout -text 2>&1", cert);
  cr_assert_eq(run(command, out, sizeof(out)), 0, "%s", out);
  const char *must[] = {"Version: 3",
                        "prime256v1",
                        "ecdsa-with-SHA256",
                        "DNS:localhost",
                        "127.0.0.1",
                        "0:0:0:0:0:0:0:1",
                        "TLS Web Server Authentication"};
  for (size_t i = 0; i < sizeof(must) / sizeof(must[0]); i++)
    cr_assert_not_null(strstr(out, must[i]), "no \"%s\" in\n%s", must[i], out);
  /* One that may not sign certificates is, to quiche, not signed by itself. */
  cr_assert_null(strstr(out, "X509v3 Key Usage"), "%s", out);
  (void)gethostname(host, sizeof(host) - 1);
  cr_assert_not_null(strstr(out, host), "%s", out);
  (void)snprintf(command, sizeof(command),
                 "openssl x509 -in %s -outform DER | openssl dgst -sha256 "
                 "-binary | openssl base64 -A",
                 cert);
  cr_assert_eq(run(command, out, sizeof(out)), 0);
  cr_assert_str_eq(out, pem.info.sha256);
  (void)snprintf(
      command, sizeof(command),
      "test \"$(openssl x509 -in %s -noout -pubkey)\" = \"$(openssl pkey -in %s -pubout)\"", cert,
      key);
  cr_assert_eq(run(command, out, sizeof(out)), 0, "the key is not the certificate's");
  unlink(cert);
  unlink(key);
}
