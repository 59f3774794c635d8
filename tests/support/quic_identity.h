/* A certificate and key for simulations alone. RSA, because its signatures have one length: with
 * ECDSA packets would differ in size from run to run, and a seed would not replay. Made by
 *   openssl req -x509 -newkey rsa:2048 -nodes -days 36500 -subj "/CN=herz simulation" \
 *     -addext "subjectAltName=DNS:localhost,IP:10.0.0.1,IP:127.0.0.1"
 * Not here: anything that is trusted anywhere. */
#ifndef TESTS_SUPPORT_QUIC_IDENTITY_H
#define TESTS_SUPPORT_QUIC_IDENTITY_H

static const char quic_test_cert[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIDOTCCAiGgAwIBAgIUVhY9yrGfk0BevKGAaE5n68XBOWEwDQYJKoZIhvcNAQEL\n"
    "BQAwGjEYMBYGA1UEAwwPaGVyeiBzaW11bGF0aW9uMCAXDTI2MTEyMjExMTkwNloY\n"
    "DzIxMjYxMDI5MTExOTA2WjAaMRgwFgYDVQQDDA9oZXJ6IHNpbXVsYXRpb24wggEi\n"
    "MA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQDK/5gZROucFmRMMb0lXKA9Qtvb\n"
    "66+H8RSfyxtza2WNxdW5w8RvzAp5/50aDeU2h/OO4puwItWiFPhv3CjnahUscdIw\n"
    "MdoC+GSHLNlYq4jafVHvet+vPD37A91yltK99SHmKIU4dBHAIhuDGx/Th7EZq/6O\n"
    "lePvUXhth6c16XQlWTU7iWfOqPA3MvwI+/WFlERZDwEKGolhDmMf3sYYJghgt0Wl\n"
    "S5wV9BIvfYF+VHQs4Jxi2GW8rYmdmeenzNVev866151BoUZFkD+7AO/gRwfNXrGJ\n"
    "jDjaD1XQsfTs7YIMd5zFCeV6giBr7sojlOoki/r9+YHe3mtsyb5pynjhWok3AgMB\n"
    "AAGjdTBzMB0GA1UdDgQWBBQWzfommzb9INLwcyW0oXSDafaBQjAfBgNVHSMEGDAW\n"
    "gBQWzfommzb9INLwcyW0oXSDafaBQjAPBgNVHRMBAf8EBTADAQH/MCAGA1UdEQQZ\n"
    "MBeCCWxvY2FsaG9zdIcECgAAAYcEfwAAATANBgkqhkiG9w0BAQsFAAOCAQEAkcgP\n"
    "WoCRlxrgqCJ4RYcCdaIRlkDcT5k5L2sp2+J+WQ0NqE1ShmTIkyB86t1CCFTND1cD\n"
    "kT5f/p6qLWDTGdXto4GoxN6qzTR6i8cm7INbCMljmbVZ0wSFc4uJP2NhoxN5Ob0i\n"
    "G0bhFu2TvZCKRQF2Y46+DOKOAI+rEwzTpEK/7uowYD7XNwpU71CClBHt4IivlKDD\n"
    "Bfq4frghbLLp834/lT78KfmSdM8jMnP1hW6XBYYAYsVb0D9DhOlOYzs7Rqy/YtlU\n"
    "HAWyl67R6PkkOcbkAIwFvmEQKwjV1JaRZchUeA4l/fz0TtgjUxR8T13jnR7acF/U\n"
    "0+OjQRo8sDCWrJIPMQ==\n"
    "-----END CERTIFICATE-----\n";

static const char quic_test_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDK/5gZROucFmRM\n"
    "Mb0lXKA9Qtvb66+H8RSfyxtza2WNxdW5w8RvzAp5/50aDeU2h/OO4puwItWiFPhv\n"
    "3CjnahUscdIwMdoC+GSHLNlYq4jafVHvet+vPD37A91yltK99SHmKIU4dBHAIhuD\n"
    "Gx/Th7EZq/6OlePvUXhth6c16XQlWTU7iWfOqPA3MvwI+/WFlERZDwEKGolhDmMf\n"
    "3sYYJghgt0WlS5wV9BIvfYF+VHQs4Jxi2GW8rYmdmeenzNVev866151BoUZFkD+7\n"
    "AO/gRwfNXrGJjDjaD1XQsfTs7YIMd5zFCeV6giBr7sojlOoki/r9+YHe3mtsyb5p\n"
    "ynjhWok3AgMBAAECggEAS4lJTRnWvEmev7WAZv8tBy6yRgbQ1bpxDLbUu6Gac+NK\n"
    "UKoWle0sdtIVYOULxjtXd3M+MI/9w6ae/WzEcbwJLfUam+Fo+NL6AUzAgZyuu3KH\n"
    "gx/LTVcSzy1UgTe7KoElQJISZHvYQRDQAPyeXqVu0pksC12eJ+a+c69XGpoIpH5/\n"
    "V3FIFNb8sQJ89aRzYKm22/UjDJ5WyL6DFirfKZPZnRRNUT8T2ZxZTva637Mtebcu\n"
    "FUB69HmmI4wwfW4E7DYr8M5XMkr2BpoUbS+TRXRk+mJgQiv56S6pE7Th85ZrL/Pc\n"
    "YG9LNkMc3tt8uWdcX2YmSM2Rq5/PUIz/jWIRvs/HGQKBgQD9NzqFIrlVxwp40xxB\n"
    "0sxfpGNO/9xbjiN0inkueG1vnxq3w+wD9zP0JD4NQLyzqcjfwyiXjAeBwgfy7Bje\n"
    "FPih2ZjulLN5velrv8Cr+NVgRz7d+HFoAWy3uIVmCk7QKyJ9XXbLEqSWLclaM/4X\n"
    "jTK+yN6ia8QoytlucimD9xR5yQKBgQDNOwKJOw9GNI+5smnG3aWY8qtsJkR2fMwk\n"
    "7YZUs8Fxtg9PWHhMoTvScoXhBdg8qx+s1LGahXEhzOwqtJc8TWS6JCX/RlbfFskW\n"
    "MpV8PTvkPpL6fdAb0uG8qjTtpxmM/jH3zJtqbFV+rLltLRlY1lF5vAQ9gu2NNYV3\n"
    "czdBQUhq/wKBgGiq9aOm0NlmJyv+h8WlrxkxyGMVXC70OC+qNaFB4mqrZ83iTKLv\n"
    "Aii++m9b/SR+4Cuubg8GsOuwGr0NXtId9RBh89da3D1MhTomzyvG9dyQVqpGUgpd\n"
    "3GSs/2dIh3+A9QbBJaOXlzUExCBnMXbmxL0cJvsYdMMv5mTDB+omre4RAoGASOlE\n"
    "/mIIDCYSRaO35pnKAit8cUCrI/k0QY5NIfx2piJLECJbIsZJTXu4SnhcGTmmWC18\n"
    "J2xvA9YctRNRg2/vcB31jdp8dGdQ61zvNKNAitccOnfGHoxt/Cvv/9pUvn10XRfI\n"
    "wydXvFg6zCmwjpodegUs8Hl6UaeJEiXRpJI/2xsCgYBBjguji6AYdBPpybBefA0R\n"
    "LO+4a1lxuR0fMbZRJ2lNU2N1oTQJiTt03pUd+z6M8PZaPnfL7Y7Xv+7sZxRL8z4J\n"
    "aAPhB3lEpMD8Y9FkJHxoI4XZS5/V8wTDqeXGPXj/Bhi+n1vD7sYWI8XNiOuXsu5L\n"
    "KfqzCPXsH6C3ywbknVpywg==\n"
    "-----END PRIVATE KEY-----\n";

#endif
