# Tests of tools/ that run no tool.
unit_test(doctor_command LIBS sasl_lmdb_verbs)
unit_test(probe_mask LIBS sasl_lmdb_verbs)
unit_test(privilege SOURCES store_fixture.c store_scene.c
    LIBS sasl_lmdb_tool sasl_lmdb_store PkgConfig::LMDB)
set_tests_properties(unit-privilege PROPERTIES SKIP_RETURN_CODE 77)
