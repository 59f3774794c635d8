/* What AddressSanitizer needs to be told by code that hands out parts of a block; nothing in other
 * builds. Not here: which code that is (buf.c, arena.c). */
#ifndef CORE_BASE_ASAN_H
#define CORE_BASE_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define HZ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HZ_ASAN 1
#endif
#endif

#ifdef HZ_ASAN
#include <sanitizer/asan_interface.h>
#define HZ_POISON(p, n) __asan_poison_memory_region((p), (n))
#define HZ_UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define HZ_ASAN 0
#define HZ_POISON(p, n) ((void)(p), (void)(n))
#define HZ_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#endif
