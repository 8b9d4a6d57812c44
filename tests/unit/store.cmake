# Tests of common/store.
function(store_test name)
    unit_test(${name} SOURCES store_fixture.c store_scene.c LIBS sasl_lmdb_store PkgConfig::LMDB)
    # A property of the file, because those come after the warnings of the target.
    set_source_files_properties(test_${name}.c PROPERTIES
        COMPILE_OPTIONS -Wframe-larger-than=131072)
endfunction()

store_test(record)
store_test(seal)
store_test(keyring)
store_test(keyring_change)
foreach(name keyring keyring_change)
    target_sources(test_${name} PRIVATE key_file.c)
endforeach()
store_test(store)
store_test(store_damage)
store_test(store_create)
store_test(store_open)
store_test(decoy)
store_test(decoy_mix)
store_test(gather)
store_test(store_fork)
target_sources(test_store_fork PRIVATE readers.c)
store_test(store_limits)
store_test(store_threads)
store_test(store_generation)
store_test(store_rekey)
store_test(store_backup)
store_test(store_check)
store_test(store_readers)
store_test(store_core)
store_test(ticket)
store_test(key_helper)
target_link_libraries(test_key_helper PRIVATE sasl_lmdb_verbs)
unit_test(export_dovecot LIBS sasl_lmdb_verbs)
unit_test(terminal_filter LIBS sasl_lmdb_tool)

# The threaded one once more under ThreadSanitizer, with everything below it compiled for that. It
# wants addresses where it expects them, hence setarch.
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_FLAGS -fsanitize=thread)
check_c_source_compiles("int main(void) { return 0; }" SASL_LMDB_HAVE_TSAN)
unset(CMAKE_REQUIRED_FLAGS)
find_program(SETARCH setarch)
if(SASL_LMDB_HAVE_TSAN AND SETARCH AND NOT SASL_LMDB_SANITIZE AND NOT SASL_LMDB_COVERAGE)
    set(sources)
    foreach(layer base engine ticket store)
        get_target_property(files sasl_lmdb_${layer} SOURCES)
        list(TRANSFORM files PREPEND ${PROJECT_SOURCE_DIR}/common/)
        list(APPEND sources ${files})
    endforeach()
    add_executable(test_store_threads_tsan
        test_store_threads.c store_fixture.c store_scene.c ${sources})
    target_include_directories(test_store_threads_tsan PRIVATE
        ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/common)
    target_compile_options(test_store_threads_tsan PRIVATE -fsanitize=thread)
    target_link_options(test_store_threads_tsan PRIVATE -fsanitize=thread)
    target_compile_definitions(test_store_threads_tsan PRIVATE
        VECTORS="${PROJECT_SOURCE_DIR}/vectors")
    target_link_libraries(test_store_threads_tsan PRIVATE
        PkgConfig::LMDB PkgConfig::CMOCKA PkgConfig::IDN PkgConfig::CRYPT PkgConfig::CRYPTO
        Threads::Threads)
    set_target_properties(test_store_threads_tsan PROPERTIES SASL_LMDB_TEST ON)
    add_test(NAME unit-store_threads_tsan
        COMMAND ${SETARCH} --addr-no-randomize $<TARGET_FILE:test_store_threads_tsan>)
    set_tests_properties(unit-store_threads_tsan PROPERTIES TIMEOUT 600
        ENVIRONMENT TSAN_OPTIONS=halt_on_error=1)
endif()
