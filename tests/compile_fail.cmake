# Programs that must not compile, and the sentence that the compiler must say. The first line of
# tests/compile_fail/<name>.cpp is `// expect: <regular expression>`.

file(GLOB bad_files CONFIGURE_DEPENDS compile_fail/*.cpp)
if(bad_files)
  add_library(compile_fail OBJECT EXCLUDE_FROM_ALL ${bad_files})   # never built: it knows the include directories
  target_link_libraries(compile_fail PRIVATE tenzo_own)
endif()
foreach(file IN LISTS bad_files)
  get_filename_component(name ${file} NAME_WE)
  file(STRINGS ${file} first LIMIT_COUNT 1)
  if(NOT first MATCHES "^// expect: (.+)$")
    message(FATAL_ERROR "${file}: the first line must be `// expect: <regular expression>`")
  endif()
  add_test(NAME compile_fail_${name}
           COMMAND ${CMAKE_COMMAND} "-DCOMPILER=${CMAKE_CXX_COMPILER}" "-DSOURCE=${file}" "-DEXPECT=${CMAKE_MATCH_1}"
                   "-DINCLUDES=$<TARGET_PROPERTY:compile_fail,INCLUDE_DIRECTORIES>"
                   -P ${CMAKE_CURRENT_SOURCE_DIR}/compile_fail/check.cmake)
endforeach()
