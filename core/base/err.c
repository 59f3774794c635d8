/* Names and sentences for the error codes. Not here: texts with values in them, which only the
 * place where an error arises can write. */
#include "core/base/err.h"

#include <stddef.h>

static const struct {
  const char *name, *text;
} table[] = {
    [-HZ_OK] = {"ok", "no error"},
    [-HZ_AGAIN] = {"again", "full or empty for now, try again after the next event"},
    [-HZ_ENOMEM] = {"memory", "memory is short or a pool is at its bound"},
    [-HZ_EINVAL] = {"argument", "an argument is outside its documented range"},
    [-HZ_ELIMIT] = {"limit", "a configured limit would be passed"},
    [-HZ_EPROTO] = {"protocol", "the peer broke the protocol"},
    [-HZ_EVERSION] = {"version", "a frame or peer of a version that is not spoken here"},
    [-HZ_EMAGIC] = {"magic", "the first bytes are not those of a frame"},
    [-HZ_ETOOBIG] = {"too_big", "a length field is above the limit"},
    [-HZ_EDEPTH] = {"depth", "values are nested deeper than the limit"},
    [-HZ_ETRUNC] = {"truncated", "the bytes end before the value does"},
    [-HZ_ECHECKSUM] = {"checksum", "the checksum does not match"},
    [-HZ_ENOTFOUND] = {"not_found", "no such route, name or id"},
    [-HZ_EEXIST] = {"exists", "the route, name or port is taken already"},
    [-HZ_ECLOSED] = {"closed", "the connection or stream is closed or closing"},
    [-HZ_ERESET] = {"reset", "the peer gave the stream up"},
    [-HZ_ECANCELED] = {"canceled", "the caller or the peer cancelled"},
    [-HZ_ETIMEOUT] = {"timeout", "a deadline passed"},
    [-HZ_ETLS] = {"tls", "the TLS handshake, certificate or key failed"},
    [-HZ_EREFUSED] = {"refused", "nobody listens there, or the peer turned us away"},
    [-HZ_ERESOLVE] = {"resolve", "the host name has no address"},
    [-HZ_EIO] = {"io", "the operating system failed"},
    [-HZ_EUNSUPPORTED] = {"unsupported", "this transport or build cannot do it"},
    [-HZ_EINTERNAL] = {"internal", "a defect of Herz"},
};

_Static_assert(sizeof(table) / sizeof(table[0]) == 1 - HZ_ERR_MIN, "every code has its row");

const char *hz_strerror(int err) {
  if (err > 0 || err < HZ_ERR_MIN) return "an error code that Herz does not know";
  return table[-err].text;
}

const char *hz_errname(int err) {
  if (err > 0 || err < HZ_ERR_MIN) return "unknown";
  return table[-err].name;
}
