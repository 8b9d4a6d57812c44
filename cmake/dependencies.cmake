# Every library the project uses, each with the Debian package that brings it, so that a missing
# one is named by the thing to install and not by a pkg-config message.
find_package(PkgConfig)
if(NOT PKG_CONFIG_FOUND)
    message(FATAL_ERROR "pkg-config is missing: apt-get install pkg-config")
endif()

function(sasl_lmdb_require prefix module package)
    pkg_check_modules(${prefix} QUIET IMPORTED_TARGET GLOBAL ${module})
    if(NOT ${prefix}_FOUND)
        message(FATAL_ERROR "${module} was not found by pkg-config: apt-get install ${package}")
    endif()
endfunction()

sasl_lmdb_require(SASL2 libsasl2 libsasl2-dev)
sasl_lmdb_require(CRYPTO "libcrypto>=3.0" libssl-dev)
sasl_lmdb_require(LMDB lmdb liblmdb-dev)
sasl_lmdb_require(IDN libidn libidn-dev)
sasl_lmdb_require(CRYPT libcrypt libcrypt-dev)
sasl_lmdb_require(JANSSON jansson libjansson-dev)
find_package(Threads REQUIRED)
if(BUILD_TESTING)
    sasl_lmdb_require(CMOCKA cmocka libcmocka-dev)
endif()
