# Tests of common/engine.
