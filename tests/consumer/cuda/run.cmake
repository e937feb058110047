# cmake -DSOURCE= -DBUILD= -DWORK= -DGENERATOR= -DCOMPILER= -DCUDA_COMPILER= -P run.cmake
# Installs tenzo, builds the consumer in the folder WORK with it, and runs its programs.

function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT status EQUAL 0)
    string(REPLACE ";" " " command "${ARGV}")
    message(FATAL_ERROR "${command}: ${status}\n${text}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)
function(build name)
  run(${CMAKE_COMMAND} -S ${SOURCE}/tests/consumer/cuda -B ${WORK}/${name} -G ${GENERATOR} -DCMAKE_BUILD_TYPE=Release
      -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_PREFIX_PATH=${WORK}/prefix ${ARGN})
  run(${CMAKE_COMMAND} --build ${WORK}/${name})
  run(${WORK}/${name}/${name})
endfunction()
build(with_library -DPLAIN=ON)
build(with_kernels -DCMAKE_CUDA_COMPILER=${CUDA_COMPILER} -DCMAKE_CUDA_ARCHITECTURES=90)
