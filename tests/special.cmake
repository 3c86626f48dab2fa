# Tests that need more than tests/CMakeLists.txt gives every test.

# The verifier beside the one that flatc generates: damaged messages, two verdicts.
# FLS_AGREEMENT_MESSAGES sets how many.
if(FLATBUFFERS_FOUND AND FLATC)
    set(generated "")
    foreach(name zoo agreement)
        add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}_generated.h
                                  ${CMAKE_CURRENT_BINARY_DIR}/${name}.bfbs
                           COMMAND ${FLATC} --cpp --gen-object-api -o ${CMAKE_CURRENT_BINARY_DIR}
                                   ${CMAKE_CURRENT_SOURCE_DIR}/data/${name}.fbs
                           COMMAND ${FLATC} --schema --binary --bfbs-builtins -o ${CMAKE_CURRENT_BINARY_DIR}
                                   ${CMAKE_CURRENT_SOURCE_DIR}/data/${name}.fbs
                           DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/data/${name}.fbs)
        list(APPEND generated ${CMAKE_CURRENT_BINARY_DIR}/${name}_generated.h)
    endforeach()
    add_executable(verifier_agreement verifier_agreement.cc ${generated})
    target_include_directories(verifier_agreement SYSTEM PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
    target_link_libraries(verifier_agreement PRIVATE flatstream_strict flatstream_static
                          PkgConfig::FLATBUFFERS)
    add_test(NAME verifier_agreement COMMAND verifier_agreement
             ${CMAKE_CURRENT_BINARY_DIR}/zoo.bfbs ${CMAKE_CURRENT_BINARY_DIR}/agreement.bfbs)
    set_tests_properties(verifier_agreement PROPERTIES TIMEOUT 1800)
endif()

# Tests that make calls into the system fail, or count them: the linker puts tests/support/faults.c
# between the library and the system.
set(faults_wrapped write writev pwritev2 sendmsg read readv fdatasync ftruncate open close mmap
    mremap munmap malloc calloc realloc aligned_alloc free)
list(TRANSFORM faults_wrapped PREPEND "-Wl,--wrap=")
foreach(name fault_write_test fault_read_test counts_test ownership_test constructor_test)
    if(TARGET ${name})
        target_link_options(${name} PRIVATE ${faults_wrapped})
        set_tests_properties(${name} PROPERTIES TIMEOUT 1200) # under sanitizers
    endif()
endforeach()

target_link_options(constructor_test PRIVATE -Wl,--wrap=pthread_create)

# Reads ahead that fail, and a thread that is refused.
target_link_options(read_ahead_test PRIVATE -Wl,--wrap=pread -Wl,--wrap=pthread_create)
target_link_options(behind_test PRIVATE -Wl,--wrap=pthread_create)

# Kernels without RWF_NOSIGNAL are played by a pwritev2 that refuses it.
target_link_options(sink_test PRIVATE -Wl,--wrap=pwritev2)

# The builder: Debian's flatc reads what it makes, and random messages for random schemas beside
# Google's builder and verifier. FLS_PROPERTY_MESSAGES sets how many.
if(FLATC)
    target_compile_definitions(builder_test PRIVATE TEST_FLATC="${FLATC}")
endif()
if(FLATBUFFERS_FOUND)
    add_executable(builder_property_test builder_property_test.cc)
    target_link_libraries(builder_property_test PRIVATE flatstream_strict flatstream_static
                          PkgConfig::FLATBUFFERS)
    add_test(NAME builder_property_test COMMAND builder_property_test)
    set_tests_properties(builder_property_test PROPERTIES TIMEOUT 1800)
endif()

# JSON needs the second library.
if(TARGET flatstream_json_static)
    add_executable(json_test json.c)
    target_link_libraries(json_test PRIVATE flatstream_strict test_support flatstream_json_static)
    target_compile_definitions(json_test PRIVATE TEST_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data")
    add_test(NAME json_test COMMAND json_test)
    set_tests_properties(json_test PROPERTIES TIMEOUT 300)
endif()

# What a hostile length makes the reader ask for is seen by the test.
target_link_options(reader_test PRIVATE -Wl,--wrap=aligned_alloc -Wl,--wrap=realloc -Wl,--wrap=mmap
                    -Wl,--wrap=mremap)

# The asynchronous writer: its producers' system calls are counted, threads and memory refused,
# a copy stopped half-way.
target_link_options(async_test PRIVATE -Wl,--wrap=syscall -Wl,--wrap=sched_yield -Wl,--wrap=malloc
                    -Wl,--wrap=memcpy -Wl,--wrap=pthread_create)

# flatcc's adapter without flatcc.
target_include_directories(flatcc_emitter_test BEFORE PRIVATE
                           ${CMAKE_CURRENT_SOURCE_DIR}/flatcc_shape)

# The adapters for generated code: flatcc's, when there is one, and Google's.
include(${PROJECT_SOURCE_DIR}/cmake/flatcc.cmake)
if(FLATCC_FOUND)
    set(generated ${CMAKE_CURRENT_BINARY_DIR}/flatcc)
    file(MAKE_DIRECTORY ${generated})
    add_custom_command(OUTPUT ${generated}/adapter_builder.h ${generated}/adapter_verifier.h
                       COMMAND ${FLATCC_COMMAND} -a -o${generated}
                               ${CMAKE_CURRENT_SOURCE_DIR}/data/adapter.fbs
                       DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/data/adapter.fbs)
    add_executable(flatcc_test flatcc_adapter.c ${generated}/adapter_builder.h)
    target_include_directories(flatcc_test SYSTEM PRIVATE ${generated} ${FLATCC_INCLUDE_DIR})
    target_link_libraries(flatcc_test PRIVATE flatstream_strict test_support ${FLATCC_RUNTIME})
    add_test(NAME flatcc_test COMMAND flatcc_test)
    set_tests_properties(flatcc_test PROPERTIES TIMEOUT 300)
else()
    add_test(NAME flatcc_test
             COMMAND ${CMAKE_COMMAND} -E echo "skipped: flatcc is not there; FLATCC_ROOT can name it")
    set_tests_properties(flatcc_test PROPERTIES SKIP_REGULAR_EXPRESSION "^skipped")
endif()
if(FLATBUFFERS_FOUND AND FLATC)
    add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/adapter_generated.h
                       COMMAND ${FLATC} --cpp -o ${CMAKE_CURRENT_BINARY_DIR}
                               ${CMAKE_CURRENT_SOURCE_DIR}/data/adapter.fbs
                       DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/data/adapter.fbs)
    add_custom_target(adapter_generated DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/adapter_generated.h)
    add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/aligned_generated.h
                       COMMAND ${FLATC} --cpp -o ${CMAKE_CURRENT_BINARY_DIR}
                               ${CMAKE_CURRENT_SOURCE_DIR}/data/aligned.fbs
                       DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/data/aligned.fbs)
    add_custom_target(aligned_generated DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/aligned_generated.h)

    # Each tests/cpp_<name>_test.cc for both standards, and without exceptions.
    foreach(test adapter alignment callbacks ownership)
        foreach(variant cpp17 cpp20 cpp17_without_exceptions)
            set(name ${variant}_${test}_test)
            add_executable(${name} cpp_${test}_test.cc)
            add_dependencies(${name} adapter_generated aligned_generated)
            string(SUBSTRING ${variant} 3 2 standard)
            set_target_properties(${name} PROPERTIES CXX_STANDARD ${standard})
            target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
            target_include_directories(${name} SYSTEM PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
            target_link_libraries(${name} PRIVATE flatstream_strict flatstream_static
                                  PkgConfig::FLATBUFFERS)
            # To optimise them takes time, and shows nothing; without it there is no FORTIFY. (Without
            # SHELL: and the space, CMake takes the option for one that is there already.)
            target_compile_options(${name} PRIVATE "SHELL:-U _FORTIFY_SOURCE" -O0)
            add_test(NAME ${name} COMMAND ${name})
            set_tests_properties(${name} PROPERTIES TIMEOUT 600)
        endforeach()
        target_compile_options(cpp17_without_exceptions_${test}_test PRIVATE -fno-exceptions)
    endforeach()
    foreach(variant cpp17 cpp20 cpp17_without_exceptions)
        target_compile_options(${variant}_alignment_test PRIVATE -fsanitize=alignment
                               -fno-sanitize-recover=all)
        target_link_options(${variant}_alignment_test PRIVATE -fsanitize=alignment)
        set_tests_properties(${variant}_alignment_test PROPERTIES RESOURCE_LOCK cpp_alignment.fls)
    endforeach()
    add_test(NAME cpp_example COMMAND example_cpp_write_read cpp_example.fls)
    set_tests_properties(cpp_example PROPERTIES PASS_REGULAR_EXPRESSION
        "100 readings, 5050 samples, warmest 119.0\nwithout its checksum: frame ")
endif()

target_link_options(schema_fault_test PRIVATE ${faults_wrapped})

# What the kernel may do to a ring is done between the ring and those who use it.
target_link_options(uring_test PRIVATE -Wl,--wrap=fls_ring_wait -Wl,--wrap=io_uring_queue_init
                    -Wl,--wrap=io_uring_submit -Wl,--wrap=open -Wl,--wrap=fallocate)

# Every byte that the library holds is counted.
set(memory_wrapped malloc calloc realloc aligned_alloc free mmap mremap munmap)
list(TRANSFORM memory_wrapped PREPEND "-Wl,--wrap=")
target_link_options(memory_test PRIVATE ${memory_wrapped})
set_tests_properties(memory_test PROPERTIES TIMEOUT 1200) # under sanitizers and valgrind

# Following a series where the system refuses inotify.
if(TARGET follow_test)
    target_link_options(follow_test PRIVATE -Wl,--wrap=inotify_init1)
endif()

# Salvage beside its model: a program answers for the library.
add_executable(salvage_driver salvage_driver.c)
target_link_libraries(salvage_driver PRIVATE flatstream_strict test_support)
if(TEST salvage_model_test)
    set_tests_properties(salvage_model_test PROPERTIES TIMEOUT 14400 COST 1000) # with FLS_CHECK=1
endif()

set_tests_properties(salvage_test PROPERTIES TIMEOUT 1800) # with FLS_CHECK

# The index: the bytes that an access reads are counted, writings fail half-way.
target_link_options(index_test PRIVATE -Wl,--wrap=pread -Wl,--wrap=pwrite)

# The journal's allocations fail in turn; its other calls into the system are the test's own.
target_link_options(journal_fault_test PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc
                    -Wl,--wrap=realloc -Wl,--wrap=aligned_alloc)
# FORTIFY would make inline functions of them. (Without SHELL: and the space, CMake takes the option
# for one that is there already.)
target_compile_options(journal_fault_test PRIVATE "SHELL:-U _FORTIFY_SOURCE")
foreach(name journal_test journal_crash_test journal_fault_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT 1200) # under sanitizers and FLS_CHECK
endforeach()
