# Tests of tools/ that run no tool.
unit_test(doctor_command LIBS sasl_lmdb_verbs)
unit_test(probe_mask LIBS sasl_lmdb_verbs)
