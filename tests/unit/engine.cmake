# Tests of common/engine: run from vectors/, the protocol engines on a host in memory. They also make
# allocations fail, for which malloc and calloc are wrapped.
add_library(engine_testing STATIC stanza.c alloc_fail.c fake_host.c exchange.c)
target_include_directories(engine_testing PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_compile_definitions(engine_testing PRIVATE VECTORS="${PROJECT_SOURCE_DIR}/vectors")
target_link_libraries(engine_testing
    PUBLIC sasl_lmdb_engine
    PRIVATE PkgConfig::CMOCKA sasl_lmdb_warnings sasl_lmdb_hardening)

function(engine_test name)
    unit_test(${name} LIBS engine_testing)
    target_link_options(test_${name} PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc)
endfunction()

unit_test(stanza LIBS engine_testing)
engine_test(identity)
engine_test(verifier)
unit_test(verifier_digest LIBS engine_testing)
unit_test(crypt_cost LIBS engine_testing PkgConfig::CRYPT)
engine_test(plain)
engine_test(login)
engine_test(cram_md5)
engine_test(digest_md5)
target_link_options(test_digest_md5 PRIVATE -Wl,--wrap=digest_md5_proof)
engine_test(digest_md5_client)
engine_test(digest_layer)
engine_test(scram_server)
engine_test(vectors)
