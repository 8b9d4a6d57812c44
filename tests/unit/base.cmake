# Tests of common/base.
