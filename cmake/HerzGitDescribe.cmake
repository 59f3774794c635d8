# Script (cmake -P): fills the commit into the header; the file changes only when the commit does.
execute_process(COMMAND git -C "${SOURCE}" describe --always --dirty --tags
  OUTPUT_VARIABLE HERZ_BUILD_GIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE _rc)
if(NOT _rc EQUAL 0 OR HERZ_BUILD_GIT STREQUAL "")
  set(HERZ_BUILD_GIT "unknown") # a source archive, or no commit yet
endif()
file(READ "${IN}" _text)
string(REPLACE "%HERZ_BUILD_GIT%" "${HERZ_BUILD_GIT}" _text "${_text}")
set(_old "")
if(EXISTS "${OUT}")
  file(READ "${OUT}" _old)
endif()
if(NOT _old STREQUAL _text)
  file(WRITE "${OUT}" "${_text}")
endif()
