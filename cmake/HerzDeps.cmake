# Finds every library Herz uses, refuses those below the floors of cmake/deps/config.sh, and records
# the versions (HERZ_VER_<NAME>) for the build report and the start-up check.
if(DEFINED ENV{HERZ_DEPS})
  set(HERZ_DEPS "$ENV{HERZ_DEPS}")
else()
  set(HERZ_DEPS "${CMAKE_SOURCE_DIR}/.deps")
endif()
set(HERZ_DEPS_PREFIX "${HERZ_DEPS}/prefix")

set(_remedy "run `make` (or cmake/deps/bootstrap.sh) first; if that does not help: make distclean")

# Packages that come later (Criterion, with the first `make test`) have to be noticed.
if(EXISTS "${HERZ_DEPS}/stamp/packages")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${HERZ_DEPS}/stamp/packages")
endif()

# The floors are kept in one place, the bootstrap's configuration.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/cmake/deps/config.sh")
file(STRINGS "${CMAKE_SOURCE_DIR}/cmake/deps/config.sh" _lines REGEX "^FLOOR_[A-Z0-9]+=")
foreach(_line IN LISTS _lines)
  string(REGEX MATCH "^FLOOR_([A-Z0-9]+)=([0-9.]+)" _ "${_line}")
  set(HERZ_FLOOR_${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
endforeach()

# herz_header_version(VAR HEADER MACRO): the version string MACRO is defined to.
function(herz_header_version var header macro)
  if(NOT EXISTS "${header}")
    message(FATAL_ERROR "herz: ${header} is missing; ${_remedy}")
  endif()
  file(STRINGS "${header}" _l REGEX "^ *# *define +${macro} +\"" LIMIT_COUNT 1)
  string(REGEX REPLACE ".*\"([^\"]*)\".*" "\\1" _v "${_l}")
  set(${var} "${_v}" PARENT_SCOPE)
endfunction()

function(herz_require_floor name have floor)
  if(have VERSION_LESS floor)
    message(FATAL_ERROR "herz: ${name} ${have} is below the floor ${floor} (security); ${_remedy}")
  endif()
endfunction()

# herz_static_dep(TARGET FILE LINK...): an imported library of the private prefix.
function(herz_static_dep target file)
  set(_path "${HERZ_DEPS_PREFIX}/lib/${file}")
  if(NOT EXISTS "${_path}")
    message(FATAL_ERROR "herz: ${_path} is missing; ${_remedy}")
  endif()
  add_library(${target} STATIC IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES
    IMPORTED_LOCATION "${_path}"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${HERZ_DEPS_PREFIX}/include"
    INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()

set(_inc "${HERZ_DEPS_PREFIX}/include")
herz_header_version(HERZ_VER_WOLFSSL "${_inc}/wolfssl/version.h" LIBWOLFSSL_VERSION_STRING)
herz_header_version(HERZ_VER_NGTCP2 "${_inc}/ngtcp2/version.h" NGTCP2_VERSION)
herz_header_version(HERZ_VER_NGHTTP3 "${_inc}/nghttp3/version.h" NGHTTP3_VERSION)
herz_header_version(HERZ_VER_YYJSON "${_inc}/yyjson.h" YYJSON_VERSION_STRING)
file(STRINGS "${_inc}/llhttp.h" _l REGEX "define LLHTTP_VERSION_(MAJOR|MINOR|PATCH)")
string(REGEX REPLACE "[^0-9;]" "" _l "${_l}")
list(JOIN _l "." HERZ_VER_LLHTTP)
foreach(_d WOLFSSL NGTCP2 NGHTTP3 YYJSON LLHTTP)
  herz_require_floor(${_d} "${HERZ_VER_${_d}}" "${HERZ_FLOOR_${_d}}")
endforeach()

herz_static_dep(dep_compat libherz_dep_compat.a)
herz_static_dep(dep_wolfssl libwolfssl.a m)
herz_static_dep(dep_ngtcp2 libngtcp2.a)
herz_static_dep(dep_ngtcp2_crypto libngtcp2_crypto_wolfssl.a dep_ngtcp2 dep_wolfssl)
# Without its back end: ours is in transports/quic/protect.c and tls_link.c, and which of two the linker
# takes would be a matter of order.
set(_whole "${HERZ_DEPS_PREFIX}/lib/libngtcp2_crypto_wolfssl.a")
set(_front "${CMAKE_BINARY_DIR}/deps/libngtcp2_crypto.a")
if("${_whole}" IS_NEWER_THAN "${_front}")
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/deps")
  file(COPY_FILE "${_whole}" "${_front}")
  execute_process(COMMAND "${CMAKE_AR}" d "${_front}" wolfssl.c.o COMMAND_ERROR_IS_FATAL ANY)
endif()
set_target_properties(dep_ngtcp2_crypto PROPERTIES IMPORTED_LOCATION "${_front}")
herz_static_dep(dep_nghttp3 libnghttp3.a dep_compat)
herz_static_dep(dep_llhttp libllhttp.a dep_compat)
herz_static_dep(dep_yyjson libyyjson.a)
# These go inside the installed libherz.a and libherz.so.
set(HERZ_BUNDLED dep_ngtcp2_crypto dep_ngtcp2 dep_wolfssl dep_nghttp3 dep_llhttp dep_yyjson dep_compat)

# From the distribution.
find_package(PkgConfig REQUIRED)
set(_remedy_host "install it: cmake/deps/bootstrap.sh build")

find_path(HERZ_EV_INCLUDE ev.h)
find_library(HERZ_EV_LIBRARY ev)
if(NOT HERZ_EV_INCLUDE OR NOT HERZ_EV_LIBRARY) # libev has no .pc file
  message(FATAL_ERROR "herz: libev (ev.h, libev.so) was not found; ${_remedy_host}")
endif()
file(STRINGS "${HERZ_EV_INCLUDE}/ev.h" _l REGEX "define +EV_VERSION_(MAJOR|MINOR) ")
string(REGEX REPLACE "[^0-9;]*([0-9]+)[^;]*" "\\1" _l "${_l}")
list(JOIN _l "." HERZ_VER_LIBEV)

pkg_search_module(MSGPACK REQUIRED msgpack-c msgpack) # Debian 13, Debian 12
pkg_check_modules(URCU REQUIRED liburcu-bp) # threads need no registration: docs/decisions/0028
pkg_check_modules(ZLIB REQUIRED zlib)
set(HERZ_VER_MSGPACK "${MSGPACK_VERSION}")
set(HERZ_VER_URCU "${URCU_VERSION}")
set(HERZ_VER_ZLIB "${ZLIB_VERSION}")

add_library(herz_system_deps INTERFACE)
target_include_directories(herz_system_deps SYSTEM INTERFACE
  "${HERZ_EV_INCLUDE}" ${MSGPACK_INCLUDE_DIRS} ${URCU_INCLUDE_DIRS} ${ZLIB_INCLUDE_DIRS})
target_link_libraries(herz_system_deps INTERFACE
  "${HERZ_EV_LIBRARY}" ${MSGPACK_LINK_LIBRARIES} ${URCU_LINK_LIBRARIES} ${ZLIB_LINK_LIBRARIES} m)
# What a user of the static library has to add to its link line.
set(HERZ_STATIC_LINK_FLAGS "-lev ${MSGPACK_LDFLAGS} ${URCU_LDFLAGS} ${ZLIB_LDFLAGS} -lm -pthread")
string(REPLACE ";" " " HERZ_STATIC_LINK_FLAGS "${HERZ_STATIC_LINK_FLAGS}")

set(_all "")
foreach(_d WOLFSSL NGTCP2 NGHTTP3 YYJSON LLHTTP LIBEV MSGPACK URCU ZLIB)
  string(TOLOWER ${_d} _n)
  list(APPEND _all "${_n} ${HERZ_VER_${_d}}")
endforeach()
list(JOIN _all ", " _all)
message(STATUS "herz: ${_all}")
