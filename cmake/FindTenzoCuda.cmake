# What tenzo::kernels links: the runtime of CUDA, cuBLAS, cuFFT and cuDNN, as the list tenzo_cuda_libraries.

find_package(CUDAToolkit 12.4 REQUIRED)
find_path(TENZO_CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ENV CUDNN_ROOT PATH_SUFFIXES include)
find_library(TENZO_CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR} ENV CUDNN_ROOT PATH_SUFFIXES lib lib64)
mark_as_advanced(TENZO_CUDNN_INCLUDE_DIR TENZO_CUDNN_LIBRARY)
if(NOT TENZO_CUDNN_INCLUDE_DIR OR NOT TENZO_CUDNN_LIBRARY)
  message(FATAL_ERROR "tenzo: cuDNN 9 is missing; install it beside CUDA, or set CUDNN_ROOT to where it is")
endif()
if(NOT TARGET tenzo::cudnn)
  add_library(tenzo::cudnn UNKNOWN IMPORTED)
  set_target_properties(tenzo::cudnn PROPERTIES IMPORTED_LOCATION ${TENZO_CUDNN_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${TENZO_CUDNN_INCLUDE_DIR})
endif()
set(tenzo_cuda_libraries CUDA::cudart CUDA::cublas CUDA::cufft tenzo::cudnn)
