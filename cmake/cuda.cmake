# Tensors on NVIDIA GPUs.
#   tenzo::kernels  for programs that nvcc compiles: <tenzo_kernels/all.cuh>, its flags, and the libraries behind it
#   tenzo::cuda     for programs of any compiler: the usual instantiations of the kernels (float), compiled once
# With TENZO_EMULATION both are made for the emulated device of the tests, by the plain C++ compiler.

# Kernels are found as <tenzo_kernels/...> where they are built as where they are installed.
set(kernels_include ${CMAKE_CURRENT_BINARY_DIR}/kernels_include)
file(MAKE_DIRECTORY ${kernels_include})
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/kernels ${kernels_include}/tenzo_kernels SYMBOLIC)
file(GLOB kernel_files CONFIGURE_DEPENDS kernels/*.cuh kernels/*.hpp)
file(GLOB kernel_instances CONFIGURE_DEPENDS kernels/instances/*.cu)

if(TENZO_EMULATION)
  # tenzo_emulation, of tests/emulation, is the device; the libraries of CUDA are its stand-ins.
  add_library(tenzo_kernels INTERFACE)
  target_link_libraries(tenzo_kernels INTERFACE tenzo_emulation)
  set_source_files_properties(${kernel_instances} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-xc++")
else()
  set(nvcc_needed 12.8)
  # nvcc is looked at before the language is enabled, which says little where there is none or an old one.
  if(NOT CMAKE_CUDA_COMPILER_LOADED)
    set(nvcc ${CMAKE_CUDA_COMPILER})
    if(NOT nvcc AND DEFINED ENV{CUDACXX})
      get_filename_component(nvcc "$ENV{CUDACXX}" PROGRAM)  # without its options
      if(NOT nvcc)
        set(nvcc "$ENV{CUDACXX}")
      endif()
    endif()
    if(NOT nvcc)
      unset(TENZO_NVCC CACHE)
      find_program(TENZO_NVCC nvcc PATHS ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES bin)
      mark_as_advanced(TENZO_NVCC)
      if(NOT TENZO_NVCC)
        message(FATAL_ERROR "tenzo: there is no nvcc on PATH, in CUDA_PATH or in /usr/local/cuda. Install CUDA ${nvcc_needed} or "
                            "later, or name it: -DCMAKE_CUDA_COMPILER=/path/to/nvcc")
      endif()
      set(nvcc ${TENZO_NVCC})
      set(CMAKE_CUDA_COMPILER ${TENZO_NVCC})
    endif()
    execute_process(COMMAND ${nvcc} --version OUTPUT_VARIABLE nvcc_says ERROR_VARIABLE nvcc_says)
    if(NOT nvcc_says MATCHES "release ([0-9.]+)")
      message(FATAL_ERROR "tenzo: ${nvcc} is no nvcc; want CUDA ${nvcc_needed} or later")
    elseif(CMAKE_MATCH_1 VERSION_LESS nvcc_needed)
      message(FATAL_ERROR "tenzo: ${nvcc} is of CUDA ${CMAKE_MATCH_1}; want ${nvcc_needed} or later")
    endif()
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
      # in the cache: for the .cu files of who adds tenzo as a folder, too
      set(CMAKE_CUDA_ARCHITECTURES 80 90 100 120 CACHE STRING "CUDA architectures")
    endif()
  endif()
  if(NOT DEFINED CMAKE_CUDA_RUNTIME_LIBRARY)
    set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)  # the one that tenzo::kernels links
  endif()
  enable_language(CUDA)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS nvcc_needed)
    message(FATAL_ERROR "tenzo: ${CMAKE_CUDA_COMPILER} is of CUDA ${CMAKE_CUDA_COMPILER_VERSION}; want ${nvcc_needed} or later")
  endif()
  include(cmake/FindTenzoCuda.cmake)
  if(NOT tenzo_cuda_libraries)
    message(FATAL_ERROR "tenzo: ${tenzo_cuda_missing}")
  endif()
  tenzo_warn_of_architectures()
  add_library(tenzo_kernels INTERFACE)
  target_link_libraries(tenzo_kernels INTERFACE tenzo ${tenzo_cuda_libraries})
  # A sum a*b+c is contracted only where it is written as one, on both sides; the warnings are of host code that a
  # template for both devices holds.
  set(host_options -ffp-contract=off)
  if(OpenMP_CXX_FOUND)
    list(APPEND host_options ${OpenMP_CXX_FLAGS})
  endif()
  list(TRANSFORM host_options PREPEND -Xcompiler=)
  set(in_cuda "$<COMPILE_LANGUAGE:CUDA>")
  target_compile_options(tenzo_kernels INTERFACE
    "$<${in_cuda}:-std=c++20;--expt-relaxed-constexpr;-fmad=false;-diag-suppress=20012,1675,554,128;${host_options}>")
endif()
add_library(tenzo::kernels ALIAS tenzo_kernels)
set_target_properties(tenzo_kernels PROPERTIES EXPORT_NAME kernels)
target_include_directories(tenzo_kernels SYSTEM INTERFACE
  $<BUILD_INTERFACE:${kernels_include}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

add_library(tenzo_cuda STATIC ${kernel_instances})
target_link_libraries(tenzo_cuda PUBLIC tenzo PRIVATE tenzo_kernels)
target_compile_definitions(tenzo_cuda INTERFACE TENZO_CUDA)
if(TENZO_ARCH AND NOT TENZO_EMULATION)  # alignment and inline functions must be those of the library
  target_compile_options(tenzo_cuda PUBLIC "$<$<COMPILE_LANGUAGE:CXX>:-march=${TENZO_ARCH}>"
                         "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-march=${TENZO_ARCH}>")
endif()
set_target_properties(tenzo_cuda PROPERTIES POSITION_INDEPENDENT_CODE ON EXPORT_NAME cuda)
get_target_property(tenzo_cuda_architectures tenzo_cuda CUDA_ARCHITECTURES)  # for the package
add_library(tenzo::cuda ALIAS tenzo_cuda)

if(TENZO_EMULATION)  # the golden values are checked in double, too
  set(double_instances ${kernel_instances})
  list(FILTER double_instances EXCLUDE REGEX "/(memory|estimates|perturbed)\\.cu$")
  add_library(tenzo_cuda_double STATIC EXCLUDE_FROM_ALL ${double_instances})
  target_link_libraries(tenzo_cuda_double PUBLIC tenzo PRIVATE tenzo_kernels)
  target_compile_definitions(tenzo_cuda_double PRIVATE TENZO_INSTANCES_OF=double)
endif()
