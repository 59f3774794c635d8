# generated/herz_build.h: what this build is made of, for `herzd version --build` and for the start-up
# check of library versions. Renewed at build time, because the commit changes without a configure.
function(herz_hex var version format) # one number per version, as the library itself encodes it
  string(REPLACE "." ";" _p "${version}.0.0")
  list(GET _p 0 _a)
  list(GET _p 1 _b)
  list(GET _p 2 _c)
  if(format STREQUAL "wolfssl") # 0xMMmmm0pp: 5.9.2 is 0x05009002
    math(EXPR _n "(${_a} << 24) | (${_b} << 12) | ${_c}" OUTPUT_FORMAT HEXADECIMAL)
  else() # ngtcp2, nghttp3: 0xMMmmpp
    math(EXPR _n "(${_a} << 16) | (${_b} << 8) | ${_c}" OUTPUT_FORMAT HEXADECIMAL)
  endif()
  set(${var} "${_n}" PARENT_SCOPE)
endfunction()
herz_hex(HERZ_FLOOR_WOLFSSL_NUM "${HERZ_FLOOR_WOLFSSL}" wolfssl)
herz_hex(HERZ_FLOOR_NGTCP2_NUM "${HERZ_FLOOR_NGTCP2}" ngtcp2)
herz_hex(HERZ_FLOOR_NGHTTP3_NUM "${HERZ_FLOOR_NGHTTP3}" ngtcp2)

set(HERZ_BUILD_COMPILER "${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}")
string(TOUPPER "${CMAKE_BUILD_TYPE}" _t)
string(STRIP "${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_${_t}}" HERZ_BUILD_FLAGS)
if(HERZ_SANITIZE)
  string(APPEND HERZ_BUILD_FLAGS " -fsanitize=${HERZ_SANITIZE}")
endif()

set(HERZ_GENERATED_DIR "${CMAKE_BINARY_DIR}/generated")
configure_file("${CMAKE_SOURCE_DIR}/cmake/templates/herz_build.h.in"
               "${CMAKE_BINARY_DIR}/herz_build.h.half" @ONLY)
add_custom_target(herz_build_header
  COMMAND "${CMAKE_COMMAND}" "-DIN=${CMAKE_BINARY_DIR}/herz_build.h.half"
          "-DOUT=${HERZ_GENERATED_DIR}/herz_build.h" "-DSOURCE=${CMAKE_SOURCE_DIR}"
          -P "${CMAKE_SOURCE_DIR}/cmake/HerzGitDescribe.cmake"
  BYPRODUCTS "${HERZ_GENERATED_DIR}/herz_build.h"
  COMMENT "Looking up the commit")
