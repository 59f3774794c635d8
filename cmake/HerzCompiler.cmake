# Language, warnings, hardening and sanitizers, for all of Herz's own code.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# No NDEBUG anywhere: a broken invariant in a network service should stop it, not go on.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
if(HERZ_SANITIZE)
  set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
else()
  set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")
endif()

set(HERZ_WARNINGS
    -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
    -Wvla -Wformat=2 -Wno-format-y2k -Wundef -Wwrite-strings)
if(HERZ_WERROR)
  list(APPEND HERZ_WARNINGS -Werror)
endif()

# Everything of Herz compiles against this target.
add_library(herz_flags INTERFACE)
target_compile_definitions(herz_flags INTERFACE _GNU_SOURCE)
target_compile_options(herz_flags INTERFACE
  ${HERZ_WARNINGS} -fno-omit-frame-pointer -fstack-protector-strong -fno-common
  # __FILE__ reads the same on every machine.
  "-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=")
target_link_options(herz_flags INTERFACE -Wl,--as-needed -Wl,-z,relro -Wl,-z,now)
find_package(Threads REQUIRED)
target_link_libraries(herz_flags INTERFACE Threads::Threads)

if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" AND NOT HERZ_SANITIZE)
  # Needs optimization, and hides overflows from the sanitizers.
  target_compile_definitions(herz_flags INTERFACE _FORTIFY_SOURCE=2)
endif()

if(HERZ_SANITIZE)
  target_compile_options(herz_flags INTERFACE "-fsanitize=${HERZ_SANITIZE}" -fno-sanitize-recover=all)
  target_link_options(herz_flags INTERFACE "-fsanitize=${HERZ_SANITIZE}")
endif()
if(HERZ_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "HERZ_FUZZ needs Clang: use the preset `fuzz` (make fuzz)")
  endif()
  target_compile_options(herz_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
