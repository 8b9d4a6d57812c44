# What "cmake --install" puts where. The places are those of GNUInstallDirs below the prefix, except
# that configuration read by other programs follows CMAKE_INSTALL_SYSCONFDIR (say /etc).
set(SASL_LMDB_PLUGIN_DIR ${CMAKE_INSTALL_LIBDIR}/sasl2 CACHE STRING
    "Where the plugins are installed: an absolute path, or one below the prefix")
option(SASL_LMDB_OVERWRITE "Install over plugin files that are not those of sasl-lmdb" OFF)

set(_plugins plugin_plain plugin_login plugin_crammd5 plugin_digestmd5 plugin_scram plugin_sasllmdb)
set(_data ${CMAKE_INSTALL_DATADIR}/sasl-lmdb)
set(_completions ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)

# First of all the question whether anything may be installed: the distribution's plugins have the
# names ours have. Plugins are copied aside and take their names when all of them are there.
set(_names)
foreach(_plugin IN LISTS _plugins)
    list(APPEND _names $<TARGET_FILE_NAME:${_plugin}>)
endforeach()
foreach(_step guard rename)
    file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/install-${_step}.cmake CONTENT
        "set(names \"${_names}\")
set(directory [==[${SASL_LMDB_PLUGIN_DIR}]==])
set(overwrite ${SASL_LMDB_OVERWRITE})
include([==[${PROJECT_SOURCE_DIR}/cmake/install-${_step}.cmake]==])
")
endforeach()
install(SCRIPT ${CMAKE_BINARY_DIR}/install-guard.cmake)
install(TARGETS ${_plugins}
    LIBRARY DESTINATION ${SASL_LMDB_PLUGIN_DIR}/.sasl-lmdb-new
    PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
install(SCRIPT ${CMAKE_BINARY_DIR}/install-rename.cmake)
install(TARGETS sasl-lmdb saslpasswd-lmdb RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})

install(FILES docs/man/sasl-lmdb.8 docs/man/saslpasswd-lmdb.8
    DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES docs/man/sasl-lmdb.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
# One file completes both commands; bash looks for it under the name of either.
install(FILES packaging/completion/sasl-lmdb DESTINATION ${_completions})
install(CODE "set(link \"\${CMAKE_INSTALL_PREFIX}/${_completions}/saslpasswd-lmdb\")
file(CREATE_LINK sasl-lmdb \"\$ENV{DESTDIR}\${link}\" SYMBOLIC)
list(APPEND CMAKE_INSTALL_MANIFEST_FILES \"\${link}\")")

install(DIRECTORY packaging/fail2ban DESTINATION ${CMAKE_INSTALL_SYSCONFDIR})
install(FILES packaging/openldap/sasl-lmdb.schema DESTINATION ${_data})
install(DIRECTORY packaging/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs PATTERN man EXCLUDE)

# The doctor names these places in its commands.
cmake_path(ABSOLUTE_PATH SASL_LMDB_PLUGIN_DIR BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}
    OUTPUT_VARIABLE SASL_LMDB_INSTALLED_PLUGINS)
set_source_files_properties(${PROJECT_SOURCE_DIR}/tools/doctor_install.c
    TARGET_DIRECTORY sasl_lmdb_verbs PROPERTIES COMPILE_DEFINITIONS
    "SASL_LMDB_TRIPLET=\"${CMAKE_LIBRARY_ARCHITECTURE}\";\
SASL_LMDB_INSTALLED_PLUGINS=\"${SASL_LMDB_INSTALLED_PLUGINS}\";\
SASL_LMDB_INSTALLED_CONF=\"${CMAKE_INSTALL_FULL_SYSCONFDIR}\"")

# Debian's own tools make the package, from a copy of the tree.
add_custom_target(package
    COMMAND ${PROJECT_SOURCE_DIR}/packaging/build-deb.sh ${PROJECT_SOURCE_DIR} ${CMAKE_BINARY_DIR}
    COMMENT "Building the Debian package"
    USES_TERMINAL VERBATIM)
