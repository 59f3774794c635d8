/* Opening files that lie in a directory and nowhere else. */
#ifndef CORE_WEB_BENEATH_H
#define CORE_WEB_BENEATH_H

#include <stdbool.h>

/** Opens `path`, relative to the directory `root`, for reading; "" is the directory itself. Never blocks
 * on a FIFO. What would lead out of `root` is refused: "..", an absolute path, links out of it. Returns a
 * descriptor, or -1 with errno (EXDEV or ELOOP: it leads out).
 * `by_component` false: by openat2(2), which follows links that stay inside; where the kernel has none, and
 * when it is true, component by component, which follows no link at all. */
int hz_open_beneath(int root, const char *path, bool by_component);

#endif
