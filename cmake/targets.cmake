# What users link: tenzo::tenzo (headers, Eigen, threads); tenzo::io with the readers that need a JSON library and, where
# there is zlib, PNG files; tenzo::images for the readers of data sets, with zlib, libpng and libjpeg as
# far as they are there; tenzo::mri for those of scans, with zlib and HDF5 likewise.

find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(Threads REQUIRED)
find_package(nlohmann_json 3.10 QUIET)
find_package(ZLIB QUIET)
find_package(PNG QUIET)
find_package(JPEG QUIET)
include(${CMAKE_CURRENT_LIST_DIR}/FindTenzoHdf5.cmake)
if(TENZO_OPENMP AND NOT TENZO_STD_THREADS)
  find_package(OpenMP QUIET COMPONENTS CXX)
endif()

file(GLOB_RECURSE tenzo_headers CONFIGURE_DEPENDS include/tenzo/*.hpp include/tenzo/*.h)

add_library(tenzo INTERFACE)
add_library(tenzo::tenzo ALIAS tenzo)
target_compile_features(tenzo INTERFACE cxx_std_20)
target_sources(tenzo INTERFACE FILE_SET HEADERS BASE_DIRS include FILES ${tenzo_headers})
target_link_libraries(tenzo INTERFACE Eigen3::Eigen Threads::Threads)
# Eigen's own threads would spin beside ours, and its sums depend on how many they are.
target_compile_definitions(tenzo INTERFACE EIGEN_DONT_PARALLELIZE)

set(gcc_like "$<COMPILE_LANG_AND_ID:CXX,GNU,Clang,AppleClang>")
if(TENZO_REPRODUCIBLE)
  target_compile_options(tenzo INTERFACE $<${gcc_like}:-ffp-contract=off>)
endif()
if(TENZO_STD_THREADS)
  target_compile_definitions(tenzo INTERFACE TENZO_STD_THREADS)
endif()
if(OpenMP_CXX_FOUND)
  target_link_libraries(tenzo INTERFACE OpenMP::OpenMP_CXX)
else()
  target_compile_options(tenzo INTERFACE $<${gcc_like}:-fopenmp-simd>)
endif()

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES AND NOT PROJECT_IS_TOP_LEVEL)
  message(NOTICE "tenzo: CMAKE_BUILD_TYPE is empty, so nothing is optimised; want -DCMAKE_BUILD_TYPE=Release")
endif()

# For programs that run where they are built: all vector instructions of this machine.
add_library(tenzo_native INTERFACE)
add_library(tenzo::native ALIAS tenzo_native)
set_target_properties(tenzo_native PROPERTIES EXPORT_NAME native)
target_compile_options(tenzo_native INTERFACE $<${gcc_like}:-march=native>
                       $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-Xcompiler=-march=native>)

if(nlohmann_json_FOUND)
  add_library(tenzo_io INTERFACE)
  add_library(tenzo::io ALIAS tenzo_io)
  set_target_properties(tenzo_io PROPERTIES EXPORT_NAME io)
  target_link_libraries(tenzo_io INTERFACE tenzo nlohmann_json::nlohmann_json $<TARGET_NAME_IF_EXISTS:ZLIB::ZLIB>)
endif()

add_library(tenzo_images INTERFACE)
add_library(tenzo::images ALIAS tenzo_images)
set_target_properties(tenzo_images PROPERTIES EXPORT_NAME images)
target_link_libraries(tenzo_images INTERFACE tenzo $<TARGET_NAME_IF_EXISTS:ZLIB::ZLIB>)
if(TARGET PNG::PNG)
  target_link_libraries(tenzo_images INTERFACE PNG::PNG)
  target_compile_definitions(tenzo_images INTERFACE TENZO_PNG)
endif()
if(TARGET JPEG::JPEG)
  target_link_libraries(tenzo_images INTERFACE JPEG::JPEG)
  target_compile_definitions(tenzo_images INTERFACE TENZO_JPEG)
endif()

add_library(tenzo_mri INTERFACE)
add_library(tenzo::mri ALIAS tenzo_mri)
set_target_properties(tenzo_mri PROPERTIES EXPORT_NAME mri)
target_link_libraries(tenzo_mri INTERFACE tenzo $<TARGET_NAME_IF_EXISTS:ZLIB::ZLIB>)
if(TARGET tenzo::hdf5)
  target_link_libraries(tenzo_mri INTERFACE tenzo::hdf5)
  target_compile_definitions(tenzo_mri INTERFACE TENZO_HDF5)
endif()
