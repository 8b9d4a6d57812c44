# The plugins as objects, each entry point under a name of its own, for a program that has them all
# and makes their allocations fail.
function(sasl_plugin_objects name)
    list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/plugins/)
    add_library(alloc_${name} OBJECT ${ARGN})
    target_compile_definitions(alloc_${name} PRIVATE
        sasl_server_plug_init=alloc_${name}_server sasl_client_plug_init=alloc_${name}_client
        sasl_auxprop_plug_init=alloc_${name}_auxprop)
    target_link_libraries(alloc_${name} PRIVATE
        sasl_lmdb_glue sasl_lmdb_store sasl_lmdb_warnings sasl_lmdb_hardening)
    target_link_libraries(sasl_test_alloc PRIVATE alloc_${name})
endfunction()

sasl_test(alloc ${PROJECT_SOURCE_DIR}/tests/unit/alloc_fail.c)
target_include_directories(sasl_test_alloc PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit)
sasl_plugin_objects(plain plain.c)
sasl_plugin_objects(login login.c)
sasl_plugin_objects(cram_md5 cram_md5.c)
sasl_plugin_objects(digest_md5 digest_md5.c)
sasl_plugin_objects(scram scram.c)
sasl_plugin_objects(lmdb lmdb.c lmdb_lookup.c lmdb_write.c)
target_link_libraries(sasl_test_alloc PRIVATE sasl_lmdb_glue sasl_lmdb_store)
target_link_options(sasl_test_alloc PRIVATE -Wl,--wrap=malloc -Wl,--wrap=calloc)
