# What `make install` puts where. gemel.pc and the CMake package find their files relative to themselves.
include(CMakePackageConfigHelpers)
install(DIRECTORY include/gemel DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS gemel EXPORT gemelTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(GEMEL_STATIC)
  install(TARGETS gemel_static EXPORT gemelTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
if(TARGET gemel_command)
  install(TARGETS gemel_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gemel)
install(EXPORT gemelTargets NAMESPACE gemel:: DESTINATION ${package_dir})
configure_package_config_file(cmake/gemelConfig.cmake.in gemelConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(gemelConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/gemelConfig.cmake ${CMAKE_BINARY_DIR}/gemelConfigVersion.cmake
        DESTINATION ${package_dir})

file(RELATIVE_PATH GEMEL_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" GEMEL_PC_TO_PREFIX "${GEMEL_PC_TO_PREFIX}")
configure_file(gemel.pc.in gemel.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/gemel.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
