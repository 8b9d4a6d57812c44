# One interface target that every target of ours links: the warnings we hold ourselves to. The
# presets for development turn them into errors; a packager's build only prints them.
add_library(sasl_lmdb_warnings INTERFACE)
target_compile_options(sasl_lmdb_warnings INTERFACE
    -Wall -Wextra -Wshadow -Wcast-qual -Wwrite-strings -Wmissing-prototypes -Wstrict-prototypes
    -Wimplicit-fallthrough -Wconversion -Wsign-conversion -Wformat=2 -Wundef -Wvla
    -Wpointer-arith -Wdouble-promotion -Wnull-dereference
    -Wframe-larger-than=$<IF:$<BOOL:$<TARGET_PROPERTY:SASL_LMDB_TEST>>,131072,16384>)
