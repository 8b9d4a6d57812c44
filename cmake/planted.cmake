# planted_plugins(PREFIX DIRECTORY WRAPPED...): the mechanisms' plugins once more, with a mistake that
# a test must find: planted.c of the folder that calls this, whose __wrap_ functions take the place of
# the WRAPPED ones. The targets are PREFIX_plain and so on; the files go to DIRECTORY.
function(planted_plugins prefix directory)
    list(TRANSFORM ARGN PREPEND "-Wl,--wrap=" OUTPUT_VARIABLE _wraps)
    foreach(plugin plain login cram_md5 digest_md5 scram)
        string(REPLACE "_" "" name ${plugin})
        add_library(${prefix}_${name} MODULE
            ${PROJECT_SOURCE_DIR}/plugins/${plugin}.c planted.c)
        set_target_properties(${prefix}_${name} PROPERTIES
            OUTPUT_NAME ${name} PREFIX lib LIBRARY_OUTPUT_DIRECTORY ${directory})
        target_link_libraries(${prefix}_${name} PRIVATE
            sasl_lmdb_glue sasl_lmdb_warnings sasl_lmdb_hardening)
        target_link_options(${prefix}_${name} PRIVATE -Wl,-z,nodelete ${_wraps}
            -Wl,--version-script=${PROJECT_SOURCE_DIR}/plugins/plugin.map)
    endforeach()
endfunction()
