# Compiler and linker settings for code that runs inside other people's daemons, and the optional
# sanitizers and coverage counters of the test builds.
set(SASL_LMDB_SANITIZE "" CACHE STRING "Sanitizers to build with, e.g. address;undefined")
option(SASL_LMDB_COVERAGE "Build with coverage counters" OFF)

add_library(sasl_lmdb_hardening INTERFACE)
if(SASL_LMDB_SANITIZE)
    list(JOIN SASL_LMDB_SANITIZE "," _sanitizers)
    target_compile_options(sasl_lmdb_hardening INTERFACE
        -fsanitize=${_sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(sasl_lmdb_hardening INTERFACE -fsanitize=${_sanitizers})
else()
    target_compile_options(sasl_lmdb_hardening INTERFACE -fstack-protector-strong)
    if(CMAKE_BUILD_TYPE MATCHES "Rel")
        target_compile_definitions(sasl_lmdb_hardening INTERFACE _FORTIFY_SOURCE=2)
    endif()
    target_link_options(sasl_lmdb_hardening INTERFACE -Wl,-z,defs)
endif()
if(SASL_LMDB_COVERAGE)
    target_compile_options(sasl_lmdb_hardening INTERFACE --coverage)
    target_link_options(sasl_lmdb_hardening INTERFACE --coverage)
endif()
target_link_options(sasl_lmdb_hardening INTERFACE -Wl,-z,relro,-z,now -Wl,--as-needed)
