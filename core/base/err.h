/* Error codes shared by every layer, and the attributes that make ignoring one a compile error.
 * Not here: statuses of calls (those are HTTP's numbers) and close codes of connections. */
#ifndef CORE_BASE_ERR_H
#define CORE_BASE_ERR_H

/** The result of an operation that can fail: HZ_OK, or one of the negative codes below.
 * The public header repeats the same numbers as HERZ_E*; core/app/api.c asserts that they agree. */
typedef enum hz_err {
  HZ_OK = 0,
  HZ_AGAIN = -1,         /* full or empty for now: an event tells when to try again */
  HZ_ENOMEM = -2,        /* the allocator, or a pool at its bound, said no */
  HZ_EINVAL = -3,        /* an argument is outside its documented range */
  HZ_ELIMIT = -4,        /* a configured limit would be passed */
  HZ_EPROTO = -5,        /* the peer broke the protocol */
  HZ_EVERSION = -6,      /* a frame or peer of a version that is not spoken here */
  HZ_EMAGIC = -7,        /* the first two bytes are not a frame's */
  HZ_ETOOBIG = -8,       /* a length field above the limit */
  HZ_EDEPTH = -9,        /* nesting above the limit */
  HZ_ETRUNC = -10,       /* the bytes end before the value does */
  HZ_ECHECKSUM = -11,    /* the trailer does not match */
  HZ_ENOTFOUND = -12,    /* no such route, name, id */
  HZ_EEXIST = -13,       /* taken already: a route, a name, a port */
  HZ_ECLOSED = -14,      /* the connection or stream is closed or closing */
  HZ_ERESET = -15,       /* the peer gave the stream up */
  HZ_ECANCELED = -16,    /* the caller or the peer cancelled */
  HZ_ETIMEOUT = -17,     /* a deadline passed */
  HZ_ETLS = -18,         /* handshake, certificate or key: the text says which */
  HZ_EREFUSED = -19,     /* nobody listens there, or the peer turned us away */
  HZ_ERESOLVE = -20,     /* the host name has no address */
  HZ_EIO = -21,          /* the operating system failed: errno is in the text */
  HZ_EUNSUPPORTED = -22, /* this transport or build cannot do it */
  HZ_EINTERNAL = -23     /* a defect of Herz */
} hz_err;

#define HZ_ERR_MIN HZ_EINTERNAL

/** A compiler error results when the return value of a function so marked is ignored. */
#define HZ_MUST_USE __attribute__((warn_unused_result))
#define HZ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/** Returns a short sentence for `err` ("a configured limit would be passed"); never NULL, static.
 */
const char *hz_strerror(int err);

/** Returns the name of `err` as it stands in logs and metrics ("limit"); never NULL, static. */
const char *hz_errname(int err);

#endif
