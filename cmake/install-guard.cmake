# Run by "cmake --install" before anything is copied, with names, directory and overwrite set.
include("${CMAKE_CURRENT_LIST_DIR}/install-where.cmake")

set(standing)
set(foreign)
foreach(name IN LISTS names)
    set(path "${directory}/${name}")
    if(IS_SYMLINK "${path}" OR EXISTS "${path}")
        set(mark)
        if(EXISTS "${path}" AND NOT IS_DIRECTORY "${path}")
            # The text of plugins/ident.c.
            file(STRINGS "${path}" mark LIMIT_COUNT 1 REGEX "@\\(#\\)sasl-lmdb plugin ")
        endif()
        list(APPEND standing "${path}")
        if(NOT mark)
            list(APPEND foreign "${path}")
        endif()
    endif()
endforeach()

if(foreign AND NOT overwrite)
    list(JOIN foreign "\n  " foreign)
    message(FATAL_ERROR
        "Nothing was installed. These files are not plugins of sasl-lmdb:\n  ${foreign}\n"
        "Choose another directory (-DSASL_LMDB_PLUGIN_DIR=...) and name it in SASL_PATH, move the "
        "files away, or have them replaced (-DSASL_LMDB_OVERWRITE=ON).")
endif()
foreach(path IN LISTS standing)
    if(IS_DIRECTORY "${path}" AND NOT IS_SYMLINK "${path}")
        message(FATAL_ERROR "${path} is a directory")
    endif()
endforeach()
# Of an installation that was broken off.
file(REMOVE_RECURSE "${aside}")
