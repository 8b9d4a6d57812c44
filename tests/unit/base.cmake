# Tests of common/base.
unit_test(slice LIBS sasl_lmdb_base)
unit_test(buf LIBS sasl_lmdb_base)
unit_test(crypto LIBS sasl_lmdb_base)
unit_test(nonce LIBS sasl_lmdb_base)
