# Run by "cmake --install" once the plugins are copied: each takes its name in one moment, so no server
# that starts meanwhile misses one, and where copying failed the old ones are still there. What has
# the name may be a link to a file of the distribution's: the link goes, its target stays.
include("${CMAKE_CURRENT_LIST_DIR}/install-where.cmake")

foreach(name IN LISTS names)
    file(RENAME "${aside}/${name}" "${directory}/${name}")
    list(TRANSFORM CMAKE_INSTALL_MANIFEST_FILES REPLACE "/[.]sasl-lmdb-new/${name}$" "/${name}")
endforeach()
file(REMOVE_RECURSE "${aside}")
