# Where plugins go, and where they lie until all of them are copied: in the same file system, under a
# name that libsasl2 does not look at.
if(NOT IS_ABSOLUTE "${directory}")
    string(PREPEND directory "${CMAKE_INSTALL_PREFIX}/")
endif()
string(PREPEND directory "$ENV{DESTDIR}")
set(aside "${directory}/.sasl-lmdb-new")
