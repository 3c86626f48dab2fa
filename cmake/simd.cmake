# Files compiled for more than the baseline instruction set; which is used is decided at run time.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set_source_files_properties(src/frame/crc16_clmul.c PROPERTIES
                                COMPILE_OPTIONS "-mpclmul;-mssse3;-msse4.1")
    set_source_files_properties(src/frame/crc32_short.c PROPERTIES COMPILE_OPTIONS "-mpclmul;-mavx")
    set_source_files_properties(src/frame/xxh3_avx2.c PROPERTIES COMPILE_OPTIONS "-mavx2")
    set_source_files_properties(src/frame/xxh3_avx512.c PROPERTIES COMPILE_OPTIONS "-mavx512f")
endif()
