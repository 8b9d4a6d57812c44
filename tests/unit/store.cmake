# Tests of common/store.
