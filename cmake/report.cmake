# What was found, said at configure time.
message(STATUS "flatstream ${PROJECT_VERSION}: ${CMAKE_BUILD_TYPE}, ${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}")
message(STATUS "  CRC-32 by ${flatstream_crc32}")
if(FLATBUFFERS_FOUND)
    message(STATUS "  libflatbuffers ${FLATBUFFERS_VERSION}: JSON and .fbs are supported")
else()
    message(STATUS "  libflatbuffers not found: no JSON, no .fbs (install libflatbuffers-dev)")
endif()
