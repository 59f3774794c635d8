# libherz: the objects of every layer once, then the static library; the shared one and the bundle
# for installing are made from the same objects.
set(HERZ_SOURCES "")
foreach(_layer IN LISTS HERZ_LAYERS)
  file(GLOB_RECURSE _s CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${_layer}/*.c")
  list(APPEND HERZ_SOURCES ${_s})
endforeach()
list(REMOVE_DUPLICATES HERZ_SOURCES)
if(NOT HERZ_SOURCES)
  # A library needs one object, also before the first layer is written.
  file(WRITE "${CMAKE_BINARY_DIR}/generated/empty.c" "typedef int herz_empty;\n")
  list(APPEND HERZ_SOURCES "${CMAKE_BINARY_DIR}/generated/empty.c")
endif()

# Include paths: the repository's root for "core/base/buf.h", core/include for <herz/herz.h>.
add_library(herz_includes INTERFACE)
target_include_directories(herz_includes INTERFACE
  "${CMAKE_SOURCE_DIR}" "${CMAKE_SOURCE_DIR}/core/include" "${HERZ_GENERATED_DIR}")
target_include_directories(herz_includes SYSTEM INTERFACE "${HERZ_DEPS_PREFIX}/include")

add_library(herz_objects OBJECT ${HERZ_SOURCES})
target_link_libraries(herz_objects PRIVATE herz_flags herz_includes herz_system_deps)
# Marks the public functions for export while the library itself is compiled.
target_compile_definitions(herz_objects PRIVATE HERZ_BUILDING)
add_dependencies(herz_objects herz_build_header)

add_library(herz_static STATIC $<TARGET_OBJECTS:herz_objects>)
set_target_properties(herz_static PROPERTIES OUTPUT_NAME herz)
target_link_libraries(herz_static
  PUBLIC herz_includes herz_flags
  INTERFACE ${HERZ_BUNDLED} herz_system_deps)
# ngtcp2's crypto helper calls back into its back end here: two static libraries that need each other.
set_property(TARGET dep_ngtcp2_crypto APPEND PROPERTY INTERFACE_LINK_LIBRARIES herz_static)
