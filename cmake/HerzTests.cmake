# Tests by folder; the name of a test is its path. Labels: unit conformance sim threads interop
# install cli fuzz-replay. In the tsan build only threads, in the fuzz build only the fuzz targets.
set(HERZ_TESTS_DIR "${CMAKE_SOURCE_DIR}/tests")
set(_wrap "${CMAKE_SOURCE_DIR}/cmake/run_test.sh")
set(_slow 1)
if(HERZ_SANITIZE)
  set(_slow 4) # sanitizers cost time; a time limit is there to catch a hang, not a slow machine
endif()

# Without measurements of its own, as in a fresh clone, CTest starts the costliest first: what takes
# long must not be what is left when one processor has nothing more to do.
set(_cost_conformance 100)
set(_cost_sim 50)
set(_cost_interop 40)
set(_cost_cli 30)
set(_cost_install 20)
set(_cost_threads 10)
set(_cost_unit 0)

function(herz_selected var path) # against HERZ_TESTS
  set(${var} TRUE PARENT_SCOPE)
  if(HERZ_TESTS AND NOT path MATCHES "${HERZ_TESTS}")
    set(${var} FALSE PARENT_SCOPE)
  endif()
endfunction()

file(GLOB_RECURSE _support CONFIGURE_DEPENDS "${HERZ_TESTS_DIR}/support/*.c")
add_library(herz_test_support INTERFACE)
if(_support)
  add_library(herz_test_support_objects STATIC ${_support})
  target_link_libraries(herz_test_support_objects PUBLIC herz_static)
  target_link_libraries(herz_test_support INTERFACE herz_test_support_objects)
endif()
target_link_libraries(herz_test_support INTERFACE herz_static)
if(TARGET herz_app_objects) # what the programs share has unit tests too
  target_link_libraries(herz_test_support INTERFACE herz_app_objects)
endif()

# Criterion's macros and libFuzzer's entry point have no prototypes. A library of its own, linked last,
# because a target's own options come before those of its libraries and would be overruled.
add_library(herz_test_flags INTERFACE)
target_compile_options(herz_test_flags INTERFACE -Wno-missing-prototypes)

# herz_add_test(LABEL SOURCE TIMEOUT [LIBS...])
function(herz_add_test label src timeout)
  file(RELATIVE_PATH _rel "${HERZ_TESTS_DIR}" "${src}")
  herz_selected(_on "${_rel}")
  if(NOT _on)
    return()
  endif()
  string(REGEX REPLACE "(_test)?\\.c$" "" _name "${_rel}")
  string(REPLACE "/" "_" _target "test_${_name}")
  add_executable(${_target} "${src}")
  set_target_properties(${_target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(${_target} PRIVATE herz_test_support herz_test_flags ${ARGN})
  add_test(NAME "${_name}" COMMAND "${_wrap}" "$<TARGET_FILE:${_target}>"
           WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  math(EXPR _timeout "${timeout} * ${_slow}")
  set(_env "HERZ_BUILD=${CMAKE_BINARY_DIR}" "HERZ_SOURCE=${CMAKE_SOURCE_DIR}" "CRITERION_JOBS=2")
  # A test that expects a signal must see it before AddressSanitizer does.
  file(STRINGS "${src}" _signal REGEX "\\.signal *=" LIMIT_COUNT 1)
  if(_signal)
    list(APPEND _env "HERZ_TEST_SIGNALS=1")
  endif()
  set_tests_properties("${_name}" PROPERTIES LABELS ${label} COST ${_cost_${label}}
    TIMEOUT ${_timeout} ENVIRONMENT "${_env}")
endfunction()

function(herz_add_shell_test label src timeout)
  file(RELATIVE_PATH _rel "${HERZ_TESTS_DIR}" "${src}")
  herz_selected(_on "${_rel}")
  if(NOT _on)
    return()
  endif()
  string(REGEX REPLACE "\\.test\\.sh$" "" _name "${_rel}")
  # A script whose head says "# cases: A B" is a test for each, so that a failure has a name.
  file(STRINGS "${src}" _cases REGEX "^# cases: ")
  list(TRANSFORM _cases REPLACE "^# cases: " "")
  string(REGEX REPLACE "[ ;]+" ";" _cases "${_cases}")
  set(_names "")
  if(_cases)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${src}")
  endif()
  foreach(_case IN LISTS _cases)
    list(APPEND _names "${_name}/${_case}")
    add_test(NAME "${_name}/${_case}" COMMAND bash "${src}" ${_case} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  endforeach()
  if(NOT _names)
    set(_names "${_name}")
    add_test(NAME "${_name}" COMMAND bash "${src}" WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  endif()
  # 77: what the test needs is not here; it said what.
  set_tests_properties(${_names} PROPERTIES LABELS ${label} COST ${_cost_${label}} TIMEOUT ${timeout}
    SKIP_RETURN_CODE 77 ENVIRONMENT "HERZ_BUILD=${CMAKE_BINARY_DIR};HERZ_SOURCE=${CMAKE_SOURCE_DIR}")
endfunction()

# --- fuzzing -------------------------------------------------------------------------------------
file(GLOB _fuzzers CONFIGURE_DEPENDS "${HERZ_TESTS_DIR}/fuzz/fuzz_*.c")
foreach(_src IN LISTS _fuzzers)
  get_filename_component(_target "${_src}" NAME_WE)
  string(REGEX REPLACE "^fuzz_" "" _name "${_target}")
  herz_selected(_on "fuzz/${_target}")
  if(_on AND NOT HERZ_SANITIZE STREQUAL "thread")
    add_executable(${_target} "${_src}")
    set_target_properties(${_target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
    target_link_libraries(${_target} PRIVATE herz_test_support herz_test_flags)
    if(HERZ_FUZZ)
      target_link_options(${_target} PRIVATE -fsanitize=fuzzer)
    else()
      # Without libFuzzer the corpus is replayed as an ordinary test, with any compiler.
      target_sources(${_target} PRIVATE "${HERZ_TESTS_DIR}/fuzz/replay_main.c")
      add_test(NAME "fuzz-replay/${_name}"
        COMMAND "${_wrap}" "$<TARGET_FILE:${_target}>" "${HERZ_TESTS_DIR}/fuzz/corpus/${_name}")
      math(EXPR _timeout "60 * ${_slow}")
      set_tests_properties("fuzz-replay/${_name}" PROPERTIES LABELS fuzz-replay TIMEOUT ${_timeout})
    endif()
  endif()
endforeach()
if(HERZ_FUZZ)
  return()
endif()

# --- threads: plain main() programs, because Criterion aborts under ThreadSanitizer ---------------
file(GLOB _threads CONFIGURE_DEPENDS "${HERZ_TESTS_DIR}/threads/*_test.c")
foreach(_src IN LISTS _threads)
  herz_add_test(threads "${_src}" 120)
endforeach()
if(HERZ_SANITIZE STREQUAL "thread")
  return()
endif()

# --- Criterion -----------------------------------------------------------------------------------
pkg_check_modules(CRITERION IMPORTED_TARGET criterion)
if(NOT CRITERION_FOUND)
  # The library and the programs build without it; `make test` brings it.
  message(STATUS "herz: Criterion not found, its tests are left out (cmake/deps/bootstrap.sh test)")
else()
  # libcriterion alone: its .pc file also pulls in a static library that is inside it already.
  file(GLOB_RECURSE _unit CONFIGURE_DEPENDS "${HERZ_TESTS_DIR}/unit/*_test.c")
  foreach(_src IN LISTS _unit)
    herz_add_test(unit "${_src}" 60 criterion)
  endforeach()
  file(GLOB _conformance CONFIGURE_DEPENDS "${HERZ_TESTS_DIR}/conformance/*_test.c")
  foreach(_src IN LISTS _conformance)
    herz_add_test(conformance "${_src}" 300 criterion)
  endforeach()
  file(GLOB _sim CONFIGURE_DEPENDS "${HERZ_TESTS_DIR}/sim/*_test.c")
  foreach(_src IN LISTS _sim)
    herz_add_test(sim "${_src}" 300 criterion)
  endforeach()
endif()

# --- against the programs: with sanitizers the same checks would only be slower ------------------
if(NOT HERZ_SANITIZE)
  foreach(_label interop cli)
    file(GLOB _scripts CONFIGURE_DEPENDS "${HERZ_TESTS_DIR}/${_label}/*.test.sh")
    foreach(_src IN LISTS _scripts)
      herz_add_shell_test(${_label} "${_src}" 300)
    endforeach()
  endforeach()
  # The install test compiles the example; without it there is nothing to prove yet.
  file(GLOB _hello CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/apps/examples/hello.c")
  if(HERZ_INSTALL AND _hello)
    file(GLOB _scripts CONFIGURE_DEPENDS "${HERZ_TESTS_DIR}/install/*.test.sh")
    foreach(_src IN LISTS _scripts)
      herz_add_shell_test(install "${_src}" 300)
    endforeach()
  endif()
  file(GLOB _bench CONFIGURE_DEPENDS "${HERZ_TESTS_DIR}/bench/bench_*.c" "${HERZ_TESTS_DIR}/bench/plain_*.c")
  foreach(_src IN LISTS _bench)
    get_filename_component(_name "${_src}" NAME_WE)
    add_executable(${_name} "${_src}")
    set_target_properties(${_name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bench")
    target_link_libraries(${_name} PRIVATE herz_test_support)
  endforeach()
  # Instructions of the hot paths, against those in tests/bench/ir.json.
  herz_selected(_on "bench/ir")
  if(_on)
    add_test(NAME "bench/ir" COMMAND "${HERZ_TESTS_DIR}/bench/ir.sh" WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
    set_tests_properties("bench/ir" PROPERTIES LABELS bench TIMEOUT 300
      ENVIRONMENT "HERZ_BUILD=${CMAKE_BINARY_DIR}" SKIP_REGULAR_EXPRESSION "ir: skipped")
  endif()
endif()
