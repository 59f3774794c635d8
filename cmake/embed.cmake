# cmake -DNAME=console -DOUT=FILE.c "-DFILES=a;b" -P embed.cmake: files as a table of struct herz_asset, each
# as it is and gzipped, with a tag made of what it holds. The table ends with a nameless one.
find_program(_gzip gzip REQUIRED)

function(bytes var file)
  file(READ "${file}" _hex HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" _hex "${_hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," _hex "${_hex}")
  set(${var} "${_hex}" PARENT_SCOPE)
endfunction()

set(_data "/* Made by cmake/embed.cmake. */\n#include <herz/web.h>\n\n")
set(_table "")
set(_n 0)
foreach(_file IN LISTS FILES)
  get_filename_component(_name "${_file}" NAME)
  file(SHA256 "${_file}" _tag)
  string(SUBSTRING "${_tag}" 0 16 _tag)
  # -n: neither name nor time, so that the same source makes the same binary.
  execute_process(COMMAND "${_gzip}" -9nc "${_file}" OUTPUT_FILE "${OUT}.gz" RESULT_VARIABLE _bad)
  if(_bad)
    message(FATAL_ERROR "gzip ${_file}: ${_bad}")
  endif()
  bytes(_plain "${_file}")
  bytes(_packed "${OUT}.gz")
  file(REMOVE "${OUT}.gz")
  string(APPEND _data
    "static const unsigned char plain_${_n}[] = {\n${_plain}};\n"
    "static const unsigned char packed_${_n}[] = {\n${_packed}};\n\n")
  string(APPEND _table
    "    {.name = \"${_name}\",\n     .etag = \"\\\"${_tag}\\\"\",\n"
    "     .data = plain_${_n},\n     .len = sizeof plain_${_n},\n"
    "     .gzip = packed_${_n},\n     .gzip_len = sizeof packed_${_n}},\n")
  math(EXPR _n "${_n} + 1")
endforeach()
file(WRITE "${OUT}.new" "${_data}extern const struct herz_asset ${NAME}_assets[];\n"
  "const struct herz_asset ${NAME}_assets[] = {\n${_table}    {0},\n};\n")
file(RENAME "${OUT}.new" "${OUT}")
