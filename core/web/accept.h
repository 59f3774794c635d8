/* Content negotiation by quality: RFC 9110, 12.4.2 and 12.5. */
#ifndef CORE_WEB_ACCEPT_H
#define CORE_WEB_ACCEPT_H

#include "core/base/str.h"

/** The weight among the parameters of a list's element (";level=1;q=0.5") in thousandths: 1000 when there is
 * none, 0 when it is malformed. `others`: parameters besides it may stand there, as behind a media
 * range; elsewhere they are malformed. */
uint32_t hz_quality_read(struct hz_str params, bool others);

/** The quality, 0 to 1000, that `list` (an Accept-Encoding value; NULL: none) gives to `coding`: its own,
 * else that of "*", else 0. What is malformed counts as 0. */
uint32_t hz_accept_quality(const char *list, const char *coding);

#endif
