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
store_test(store)
store_test(store_damage)
store_test(store_create)
store_test(store_open)
store_test(decoy)
store_test(store_fork)
store_test(store_limits)
store_test(store_threads)
store_test(store_generation)
store_test(store_rekey)
store_test(store_backup)
store_test(store_check)
