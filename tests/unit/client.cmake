# Tests of channel binding, and of the client halves in common/engine.
engine_test(scram_plus)

add_library(client_testing STATIC client_exchange.c)
target_compile_definitions(client_testing PRIVATE VECTORS="${PROJECT_SOURCE_DIR}/vectors")
target_link_libraries(client_testing
    PUBLIC engine_testing
    PRIVATE PkgConfig::CMOCKA sasl_lmdb_warnings sasl_lmdb_hardening)
engine_test(mech_clients)
target_link_libraries(test_mech_clients PRIVATE client_testing)
