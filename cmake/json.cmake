# libflatstream-json: JSON and .fbs parsing through Google's libflatbuffers, kept out of the core
# library so that this one stays free of C++.
if(FLATBUFFERS_FOUND)
    add_library(flatstream_json_objects OBJECT src/json/json.cc)
    set_target_properties(flatstream_json_objects PROPERTIES POSITION_INDEPENDENT_CODE ON
                          CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    target_include_directories(flatstream_json_objects PRIVATE ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(flatstream_json_objects PRIVATE flatstream_strict PkgConfig::FLATBUFFERS)

    add_library(flatstream_json_static STATIC $<TARGET_OBJECTS:flatstream_json_objects>)
    add_library(flatstream_json_shared SHARED $<TARGET_OBJECTS:flatstream_json_objects>)
    foreach(kind static shared)
        set_target_properties(flatstream_json_${kind} PROPERTIES OUTPUT_NAME flatstream-json
                              LINKER_LANGUAGE CXX EXPORT_NAME json_${kind})
        target_include_directories(flatstream_json_${kind} PUBLIC
                                   $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                   $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
        target_link_libraries(flatstream_json_${kind} PUBLIC flatstream_${kind}
                              PRIVATE $<BUILD_INTERFACE:PkgConfig::FLATBUFFERS>)
        add_library(flatstream::json_${kind} ALIAS flatstream_json_${kind})
    endforeach()
    target_link_libraries(flatstream_json_static PRIVATE $<INSTALL_INTERFACE:flatbuffers>)
    set_target_properties(flatstream_json_shared PROPERTIES
                          VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                          LINK_DEPENDS ${PROJECT_SOURCE_DIR}/src/flatstream.map)
    target_link_options(flatstream_json_shared PRIVATE
                        -Wl,--version-script=${PROJECT_SOURCE_DIR}/src/flatstream.map
                        -Wl,--no-undefined)

    install(TARGETS flatstream_json_static flatstream_json_shared EXPORT flatstream
            ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
            LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
    configure_file(cmake/flatstream-json.pc.in flatstream-json.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/flatstream-json.pc
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
