# Warnings, hardening and sanitizers: one place, applied to every target by
# linking `milonga_flags` (all of ours do, through milonga_library/_program).

option(MILONGA_WERROR "Warnings are errors (on in CI and in every preset)" OFF)
set(MILONGA_SANITIZE "" CACHE STRING "'' | address | thread | fuzzer (needs clang)")

add_library(milonga_flags INTERFACE)
target_include_directories(milonga_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(milonga_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast
  -Wconversion -Wno-sign-conversion
  $<$<BOOL:${MILONGA_WERROR}>:-Werror>
  -fstack-protector-strong -fstack-clash-protection -fcf-protection)
target_link_options(milonga_flags INTERFACE -Wl,-z,relro,-z,now -Wl,-z,noexecstack)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Functions and lines, which is what a backtrace shows; all of -g would be a quarter of the build's time.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")

if(MILONGA_SANITIZE STREQUAL "address")
  target_compile_options(milonga_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(milonga_flags INTERFACE -fsanitize=address,undefined)
elseif(MILONGA_SANITIZE STREQUAL "thread")
  target_compile_options(milonga_flags INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_options(milonga_flags INTERFACE -fsanitize=thread)
elseif(MILONGA_SANITIZE STREQUAL "fuzzer")
  target_compile_options(milonga_flags INTERFACE -Wno-gnu-statement-expression
    -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(milonga_flags INTERFACE -fsanitize=address,undefined)
elseif(NOT MILONGA_SANITIZE STREQUAL "")
  message(FATAL_ERROR "MILONGA_SANITIZE: '${MILONGA_SANITIZE}' is not '', 'address', 'thread' or 'fuzzer'")
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  # _FORTIFY_SOURCE needs optimisation, and the sanitizers have checks of their own.
  target_compile_options(milonga_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()

# What is compiled more often than it runs long is not optimised (set in tests/): -O2 was half of its build.
define_property(TARGET PROPERTY MILONGA_UNOPTIMISED INITIALIZE_FROM_VARIABLE TESTS_MILONGA_UNOPTIMISED
  BRIEF_DOCS "Compile this target without optimisation")
target_compile_options(milonga_flags INTERFACE
  "$<$<BOOL:$<TARGET_PROPERTY:MILONGA_UNOPTIMISED>>:-U_FORTIFY_SOURCE;-O0>")

# A library or program of ours: milonga_library(NAME SOURCES... [LINK libs...])
function(milonga_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC milonga_flags ${arg_LINK})
endfunction()

function(milonga_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE milonga_flags ${arg_LINK})
  target_link_options(${name} PRIVATE -pie)
endfunction()
