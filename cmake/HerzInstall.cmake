# The installed tree stands by itself: the private dependencies are inside libherz.a and libherz.so,
# the distribution's are named in herz.pc.
add_library(herz_shared SHARED $<TARGET_OBJECTS:herz_objects>)
set_target_properties(herz_shared PROPERTIES
  OUTPUT_NAME herz VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
target_link_libraries(herz_shared PRIVATE herz_flags herz_includes ${HERZ_BUNDLED} herz_system_deps)
# Only what HERZ_API marks is visible: no symbol of a bundled library may meet another copy of it.
target_link_options(herz_shared PRIVATE -Wl,--exclude-libs,ALL -Wl,-Bsymbolic -Wl,-z,defs)

set(_bundle "${CMAKE_BINARY_DIR}/bundle/libherz.a")
set(_inputs "$<TARGET_FILE:herz_static>")
foreach(_d IN LISTS HERZ_BUNDLED)
  list(APPEND _inputs "$<TARGET_FILE:${_d}>")
endforeach()
add_custom_command(OUTPUT "${_bundle}"
  COMMAND "${CMAKE_SOURCE_DIR}/cmake/bundle.sh" "${CMAKE_AR}" "${_bundle}" ${_inputs}
  DEPENDS herz_static ${_inputs} "${CMAKE_SOURCE_DIR}/cmake/bundle.sh" VERBATIM
  COMMENT "Bundling libherz.a")
add_custom_target(herz_bundle ALL DEPENDS "${_bundle}")

# The prefix is found from the .pc file's own place, so that the tree can be installed anywhere.
file(RELATIVE_PATH HERZ_PC_TO_PREFIX "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
string(REGEX REPLACE "/$" "" HERZ_PC_TO_PREFIX "${HERZ_PC_TO_PREFIX}")
set(_pc "${CMAKE_BINARY_DIR}/herz.pc")
configure_file("${CMAKE_SOURCE_DIR}/cmake/templates/herz.pc.in" "${_pc}" @ONLY)

include(CMakePackageConfigHelpers)
configure_package_config_file("${CMAKE_SOURCE_DIR}/cmake/templates/herzConfig.cmake.in"
  "${CMAKE_BINARY_DIR}/herzConfig.cmake" INSTALL_DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/herz"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file("${CMAKE_BINARY_DIR}/herzConfigVersion.cmake"
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)

install(TARGETS herz_shared LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES "${_bundle}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY "${CMAKE_SOURCE_DIR}/core/include/herz" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.h")
install(FILES "${_pc}" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES "${CMAKE_BINARY_DIR}/herzConfig.cmake" "${CMAKE_BINARY_DIR}/herzConfigVersion.cmake"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/cmake/herz")
install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
