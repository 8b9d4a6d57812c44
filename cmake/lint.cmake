# The pinned style: .clang-format is a test (ctest), .clang-tidy a target of its own, since it takes
# minutes: cmake --build --preset dev --target lint
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
find_program(CLANG_TIDY NAMES clang-tidy-14 clang-tidy)
find_program(CLANG_FORMAT NAMES clang-format-14 clang-format)
mark_as_advanced(CLANG_TIDY CLANG_FORMAT)

file(GLOB_RECURSE _linted CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/common/*.c ${PROJECT_SOURCE_DIR}/plugins/*.c
    ${PROJECT_SOURCE_DIR}/tools/*.c)
if(CLANG_TIDY)
    add_custom_target(lint
        COMMAND ${CLANG_TIDY} --quiet -p ${CMAKE_BINARY_DIR} ${_linted}
        COMMENT "clang-tidy over common, plugins and tools" VERBATIM)
else()
    add_custom_target(lint
        COMMAND ${CMAKE_COMMAND} -E echo "clang-tidy is missing: apt-get install clang-tidy"
        COMMAND ${CMAKE_COMMAND} -E false VERBATIM)
endif()

if(BUILD_TESTING)
    add_test(NAME source-format COMMAND sh
        ${PROJECT_SOURCE_DIR}/tests/check_format.sh ${PROJECT_SOURCE_DIR} "${CLANG_FORMAT}")
    set_tests_properties(source-format PROPERTIES LABELS source SKIP_RETURN_CODE 77)
endif()
