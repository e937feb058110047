# tenzo::core: the usual instantiations, compiled once. Whoever links it finds them declared `extern template`.
# Without any source it is an interface, so that linking it is always right.

file(GLOB_RECURSE core_sources CONFIGURE_DEPENDS src/*.cpp)
if(core_sources)
  add_library(tenzo_core STATIC ${core_sources})
  target_link_libraries(tenzo_core PUBLIC tenzo $<TARGET_NAME_IF_EXISTS:tenzo_io>)
  target_link_libraries(tenzo_core PRIVATE $<BUILD_INTERFACE:$<TARGET_NAME_IF_EXISTS:tenzo_own>>)
  set_target_properties(tenzo_core PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_compile_definitions(tenzo_core INTERFACE TENZO_EXTERN_TEMPLATES)
  if(TENZO_ARCH)   # alignment and inline functions must be those of the library
    target_compile_options(tenzo_core PUBLIC -march=${TENZO_ARCH})
  endif()
else()
  add_library(tenzo_core INTERFACE)
  target_link_libraries(tenzo_core INTERFACE tenzo)
endif()
add_library(tenzo::core ALIAS tenzo_core)
set_target_properties(tenzo_core PROPERTIES EXPORT_NAME core)
