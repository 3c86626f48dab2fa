# make install: libraries, headers, command, man pages, pkg-config and CMake packages.
include(CMakePackageConfigHelpers)

install(TARGETS flatstream_static flatstream_shared EXPORT flatstream
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS flatstream_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/flatstream DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
file(GLOB man_pages_1 man/*.1)
file(GLOB man_pages_3 man/*.3)
file(GLOB man_pages_5 man/*.5)
file(GLOB man_pages_7 man/*.7)
foreach(section 1 3 5 7)
    if(man_pages_${section})
        install(FILES ${man_pages_${section}} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
    endif()
endforeach()

foreach(package flatstream flatstream-static)
    configure_file(cmake/${package}.pc.in ${package}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${package}.pc
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

set(flatstream_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/flatstream)
configure_package_config_file(cmake/flatstream-config.cmake.in flatstream-config.cmake
                              INSTALL_DESTINATION ${flatstream_cmake_dir})
write_basic_package_version_file(flatstream-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/flatstream-config.cmake
              ${PROJECT_BINARY_DIR}/flatstream-config-version.cmake
        DESTINATION ${flatstream_cmake_dir})
install(EXPORT flatstream NAMESPACE flatstream:: FILE flatstream-targets.cmake
        DESTINATION ${flatstream_cmake_dir})
