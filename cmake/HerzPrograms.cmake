# build/herzd, build/herz, and one program an example under build/examples/.
file(GLOB_RECURSE _common CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/apps/common/*.c")
add_library(herz_app_common INTERFACE)
if(_common)
  add_library(herz_app_objects STATIC ${_common})
  target_link_libraries(herz_app_objects PUBLIC herz_static)
  add_dependencies(herz_app_objects herz_build_header)
  target_link_libraries(herz_app_common INTERFACE herz_app_objects)
endif()
target_link_libraries(herz_app_common INTERFACE herz_static)

# The console's files, inside herzd.
file(GLOB _console CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/apps/web/console/*.html"
  "${CMAKE_SOURCE_DIR}/apps/web/console/*.css" "${CMAKE_SOURCE_DIR}/apps/web/console/*.js"
  "${CMAKE_SOURCE_DIR}/apps/web/console/*.svg")
set(_console_c "${CMAKE_BINARY_DIR}/generated/console_assets.c")
add_custom_command(OUTPUT "${_console_c}"
  COMMAND "${CMAKE_COMMAND}" -DNAME=console "-DOUT=${_console_c}" "-DFILES=${_console}"
          -P "${CMAKE_SOURCE_DIR}/cmake/embed.cmake"
  DEPENDS ${_console} "${CMAKE_SOURCE_DIR}/cmake/embed.cmake"
  COMMENT "console_assets.c" VERBATIM)

foreach(_prog herzd herz)
  file(GLOB_RECURSE _src CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/apps/${_prog}/*.c")
  if(_prog STREQUAL "herzd")
    list(APPEND _src "${_console_c}")
  endif()
  if(_src)
    add_executable(prog_${_prog} ${_src})
    set_target_properties(prog_${_prog} PROPERTIES
      OUTPUT_NAME ${_prog} RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
    target_link_libraries(prog_${_prog} PRIVATE herz_app_common)
    add_dependencies(prog_${_prog} herz_build_header)
    if(HERZ_INSTALL)
      install(TARGETS prog_${_prog} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
    endif()
  endif()
endforeach()

if(HERZ_EXAMPLES)
  file(GLOB _examples CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/apps/examples/*.c")
  foreach(_src IN LISTS _examples)
    get_filename_component(_name "${_src}" NAME_WE)
    add_executable(example_${_name} "${_src}")
    set_target_properties(example_${_name} PROPERTIES
      OUTPUT_NAME ${_name} RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/examples")
    target_link_libraries(example_${_name} PRIVATE herz_static)
  endforeach()
endif()
