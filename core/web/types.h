/* Content types by the ends of file names. */
#ifndef CORE_WEB_TYPES_H
#define CORE_WEB_TYPES_H

/** The type of a file called `name`, by what stands behind its last dot, whatever the case;
 * "application/octet-stream" when that is unknown. Static text. */
const char *hz_content_type(const char *name);

#endif
