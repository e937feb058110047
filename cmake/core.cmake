# tenzo::core: what include/tenzo/core/compiled.hpp marks and the headers named extern.hpp list, compiled once. Whoever links
# it finds the former declared and the latter `extern template`.

file(GLOB core_sources CONFIGURE_DEPENDS src/*.cpp)
if(TARGET tenzo_io)
  file(GLOB json_sources CONFIGURE_DEPENDS src/json/*.cpp)  # what needs a JSON library
endif()
set(TENZO_CORE_WITHOUT "" CACHE STRING "Regular expression of files of src/ that are left out, for programs that use nothing of them")
mark_as_advanced(TENZO_CORE_WITHOUT)
if(TENZO_CORE_WITHOUT)
  list(FILTER core_sources EXCLUDE REGEX "${TENZO_CORE_WITHOUT}")
  list(FILTER json_sources EXCLUDE REGEX "${TENZO_CORE_WITHOUT}")
endif()
add_library(tenzo_core STATIC ${core_sources} ${json_sources})
add_library(tenzo::core ALIAS tenzo_core)
set_target_properties(tenzo_core PROPERTIES EXPORT_NAME core POSITION_INDEPENDENT_CODE ON)
target_link_libraries(tenzo_core PUBLIC tenzo $<TARGET_NAME_IF_EXISTS:tenzo_io>)
target_link_libraries(tenzo_core PRIVATE $<BUILD_INTERFACE:$<TARGET_NAME_IF_EXISTS:tenzo_own>>)
target_compile_definitions(tenzo_core PUBLIC TENZO_EXTERN_TEMPLATES)
if(TENZO_ARCH)  # alignment and inline functions must be those of the library
  target_compile_options(tenzo_core PUBLIC $<$<COMPILE_LANGUAGE:CXX>:-march=${TENZO_ARCH}>
                         $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-Xcompiler=-march=${TENZO_ARCH}>)
endif()
