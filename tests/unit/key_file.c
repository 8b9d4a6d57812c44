/* SPDX-License-Identifier: BSD-2-Clause */
#include "key_file.h"

#include <string.h>
#include <unistd.h>

const uint8_t id_a[STORE_ID_SIZE] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
const uint8_t id_b[STORE_ID_SIZE] = {255, 255, 255, 255, 255, 255, 255, 255,
                                     255, 255, 255, 255, 255, 255, 255, 255};

enum auth_status load(struct fixture *f, gid_t group, struct keyring **ret)
{
    f->detail.text[0] = '\0';
    return keyring_load(f->key, group, ret, &f->detail);
}

void write_key_file(struct fixture *f, const char *text, mode_t mode)
{
    (void)unlink(f->key);
    write_file(f->key, text, strlen(text), mode);
}
