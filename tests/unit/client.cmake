# Tests of channel binding, and of the client halves in common/engine.
engine_test(scram_plus)
