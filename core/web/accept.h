/* Content negotiation by quality: RFC 9110, 12.5. */
#ifndef CORE_WEB_ACCEPT_H
#define CORE_WEB_ACCEPT_H

/** The quality, 0 to 1000, that `list` (an Accept-Encoding value; NULL: none) gives to `coding`: its own,
 * else that of "*", else 0. What is malformed counts as 0. */
unsigned hz_accept_quality(const char *list, const char *coding);

#endif
