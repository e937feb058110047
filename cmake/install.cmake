# Installation, and the package that find_package(tenzo) reads.

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tenzo)

install(TARGETS tenzo tenzo_native EXPORT tenzo-targets FILE_SET HEADERS)
if(TARGET tenzo_io)
  install(TARGETS tenzo_io EXPORT tenzo-targets)
endif()
if(TARGET tenzo_core)
  install(TARGETS tenzo_core EXPORT tenzo-targets)
endif()
install(EXPORT tenzo-targets NAMESPACE tenzo:: DESTINATION ${config_dir})

set(needs "find_dependency(Eigen3 3.4)\nfind_dependency(Threads)\n")
if(OpenMP_CXX_FOUND)
  string(APPEND needs "find_dependency(OpenMP COMPONENTS CXX)\n")
endif()
if(TARGET tenzo_io)
  string(APPEND needs "find_dependency(nlohmann_json 3.10)\n")
  if(ZLIB_FOUND)
    string(APPEND needs "find_dependency(ZLIB)\n")
  endif()
endif()
configure_package_config_file(cmake/tenzo-config.cmake.in tenzo-config.cmake INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(tenzo-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/tenzo-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/tenzo-config-version.cmake
        DESTINATION ${config_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
