# Tests of common/store.
function(store_test name)
    unit_test(${name} SOURCES store_fixture.c LIBS sasl_lmdb_store PkgConfig::LMDB)
endfunction()

store_test(record)
store_test(seal)
store_test(keyring)
