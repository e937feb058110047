# How tenzo's own programs are compiled. None of this reaches a user's target.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

add_library(tenzo_own INTERFACE)
target_link_libraries(tenzo_own INTERFACE $<TARGET_NAME_IF_EXISTS:tenzo_io> tenzo)
target_compile_options(tenzo_own INTERFACE -Wall -Wextra -Wshadow $<$<BOOL:${TENZO_WERROR}>:-Werror>)
# g++ 12 and 13 report the undefined registers of their own AVX-512 intrinsics.
target_compile_options(tenzo_own INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
if(TENZO_ARCH)
  target_compile_options(tenzo_own INTERFACE -march=${TENZO_ARCH})
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

# A compiler may take over a gigabyte here: no more of them at a time than there are cores.
cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
set_property(GLOBAL APPEND PROPERTY JOB_POOLS compile=${cores})
set(CMAKE_JOB_POOL_COMPILE compile)

# tenzo_program(<target> <sources...>): an executable of ours, linked with tenzo::core where it is built.
function(tenzo_program target)
  add_executable(${target} ${ARGN})
  target_link_libraries(${target} PRIVATE tenzo_own $<TARGET_NAME_IF_EXISTS:tenzo_core>)
endfunction()
# tenzo_device_program(<target> <sources...>): one that takes --device cuda where tenzo::cuda is built. Sources named
# *.device.cpp are compiled once for each device, TENZO_DEVICE.
function(tenzo_device_program target)
  set(sources ${ARGN})
  set(of_devices ${ARGN})
  list(FILTER sources EXCLUDE REGEX "\\.device\\.cpp$")
  list(FILTER of_devices INCLUDE REGEX "\\.device\\.cpp$")
  tenzo_program(${target} ${sources})
  if(of_devices)
    set(devices Cpu)
    if(TARGET tenzo_cuda)
      list(APPEND devices Cuda)
    endif()
    foreach(device IN LISTS devices)
      add_library(${target}_${device} OBJECT ${of_devices})
      target_link_libraries(${target}_${device} PRIVATE tenzo_own $<TARGET_NAME_IF_EXISTS:tenzo_core>)
      target_compile_definitions(${target}_${device} PRIVATE TENZO_DEVICE=tenzo::${device})
      if(device STREQUAL "Cuda")
        target_compile_options(${target}_${device} PRIVATE $<$<CONFIG:Release>:-O1>)  # the work is the kernels'
      endif()
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_${device}>)
    endforeach()
  endif()
  tenzo_device_program_links(${target} $<TARGET_NAME_IF_EXISTS:tenzo_cuda>)
endfunction()
# tenzo_device_program_links(<target> <libraries...>): what such a program links, all of its sources.
function(tenzo_device_program_links target)
  foreach(part ${target} ${target}_Cpu ${target}_Cuda)
    if(TARGET ${part})
      target_link_libraries(${part} PRIVATE ${ARGN})
    endif()
  endforeach()
endfunction()
