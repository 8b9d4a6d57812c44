/* SPDX-License-Identifier: BSD-2-Clause */
#include "lock_file.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "privilege.h"
#include "store/files.h"
#include "store/kv_files.h"

enum auth_status lock_file_make(const char *store_path, struct detail *detail)
{
    struct stat data;
    enum auth_status status = AUTH_OK;

    /* Behind a link lies another directory, about which nothing is known. */
    if (privilege_owner(store_path) == (uid_t)-1 || lstat(store_path, &data) != 0 ||
        !S_ISREG(data.st_mode)) {
        return AUTH_OK;
    }
    char *lock_path = file_suffixed(store_path, "-lock");
    if (lock_path == NULL) {
        status = AUTH_NO_MEMORY;
    } else if (privilege_directory_is_root_s(store_path)) {
        status = kv_files_make_lock(store_path, lock_path, detail);
    }
    free(lock_path);
    return status;
}
