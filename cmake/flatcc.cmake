# flatcc, for the test of include/flatstream/flatcc.h; the library itself does not need it. It is
# found in the usual places, or where FLATCC_ROOT says: a folder with include/, lib/ and bin/.
set(FLATCC_ROOT "" CACHE PATH "Where flatcc is installed (optional)")
set(hints "")
if(FLATCC_ROOT)
    set(hints HINTS ${FLATCC_ROOT})
endif()
find_path(FLATCC_INCLUDE_DIR flatcc/flatcc_builder.h ${hints} PATH_SUFFIXES include)
find_library(FLATCC_RUNTIME NAMES flatccrt flatccrt_d ${hints} PATH_SUFFIXES lib)
find_program(FLATCC_COMMAND NAMES flatcc flatcc_d ${hints} PATH_SUFFIXES bin)
mark_as_advanced(FLATCC_INCLUDE_DIR FLATCC_RUNTIME FLATCC_COMMAND)

set(FLATCC_FOUND FALSE)
if(FLATCC_INCLUDE_DIR AND FLATCC_RUNTIME AND FLATCC_COMMAND)
    set(FLATCC_FOUND TRUE)
    message(STATUS "flatcc found: ${FLATCC_COMMAND}")
else()
    message(STATUS "flatcc not found: its adapter's test is not built (FLATCC_ROOT can name it)")
endif()
