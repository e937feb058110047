# tests/fuzz/<name>.cpp defines LLVMFuzzerTestOneInput; tests/fuzz/corpus/<name>/ holds its seeds and past findings.
# With TENZO_FUZZ each becomes a libFuzzer program that ctest runs for TENZO_FUZZ_SECONDS. Otherwise the seeds are
# replayed once, so that every build runs them, under the sanitizers too.

set(TENZO_FUZZ_SECONDS 30 CACHE STRING "Seconds that ctest gives each fuzz target")

file(GLOB fuzz_files CONFIGURE_DEPENDS fuzz/*.cpp)
foreach(file IN LISTS fuzz_files)
  get_filename_component(name ${file} NAME_WE)
  set(seeds ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
  if(TENZO_FUZZ)
    set(found ${CMAKE_CURRENT_BINARY_DIR}/found/${name})
    file(MAKE_DIRECTORY ${found})
    tenzo_program(fuzz_${name} ${file})
    target_link_libraries(fuzz_${name} PRIVATE tenzo_mri)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    if(NOT EXISTS ${seeds})
      set(seeds)
    endif()
    # HDF5's library asks for whatever a file claims, and takes it as an error of the file that it does not get it.
    set(most 1024)
    if(name STREQUAL mri_fastmri)
      set(most 1000000)
    endif()
    add_test(NAME fuzz_${name}
             COMMAND fuzz_${name} -max_total_time=${TENZO_FUZZ_SECONDS} -timeout=20 -rss_limit_mb=2048
                     -malloc_limit_mb=${most} -print_final_stats=1 -artifact_prefix=${found}/crash- ${found} ${seeds})
    math(EXPR limit "${TENZO_FUZZ_SECONDS} + 120")
    set_tests_properties(fuzz_${name} PROPERTIES TIMEOUT ${limit} LABELS fuzz)
    if(name STREQUAL mri_fastmri)
      set_tests_properties(fuzz_${name} PROPERTIES ENVIRONMENT
                           ASAN_OPTIONS=allocator_may_return_null=1:max_allocation_size_mb=512)
    endif()
  else()
    tenzo_program(replay_${name} ${file} fuzz/replay/main.cpp)
    target_link_libraries(replay_${name} PRIVATE tenzo_mri)
    add_test(NAME replay_${name} COMMAND replay_${name} ${seeds})
    set_tests_properties(replay_${name} PROPERTIES LABELS fuzz)
  endif()
endforeach()
