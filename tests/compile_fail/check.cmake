# cmake -DCOMPILER= -DSOURCE= -DEXPECT= -DINCLUDES= -P check.cmake
# Fails unless the compiler rejects SOURCE with a message that matches EXPECT.

list(TRANSFORM INCLUDES PREPEND -I OUTPUT_VARIABLE include_options)
execute_process(COMMAND ${COMPILER} -std=c++20 -fsyntax-only ${include_options} ${SOURCE}
                RESULT_VARIABLE status OUTPUT_VARIABLE text ERROR_VARIABLE text)
if(status EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles; it must not")
endif()
if(NOT text MATCHES "${EXPECT}")
  message(FATAL_ERROR "the compiler rejects ${SOURCE}, but does not say `${EXPECT}`:\n${text}")
endif()
