/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of the key file: written beside it and renamed, by one program at a time. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/files.h"
#include "store/key_text.h"
#include "store/key_turn.h"

/*
 * Copies the lines of a key file to ret, but for the key named by drop (if not NULL), and counts
 * the keys that stay. The largest id among keys of the same store goes to *ret_last.
 */
static enum auth_status copy_lines(const char *path, struct slice text, const uint8_t *store_id,
                                   uint32_t drop, struct buf *ret, size_t *ret_n,
                                   uint32_t *ret_last, struct detail *detail)
{
    enum auth_status status = AUTH_OK;
    struct key_line parsed;
    struct slice line;
    unsigned number = 0;

    *ret_n = 0;
    *ret_last = 0;
    while (status == AUTH_OK && text.n > 0) {
        bool is_key = key_text_next(&text, &line);

        number++;
        if (is_key && !key_line_take(line, &parsed)) {
            status = detail_set(detail, AUTH_KEY_DAMAGED,
                                "key file %s, line %u: not \"id store-id key\"", path, number);
            break;
        }
        bool ours = is_key && memcmp(parsed.store_id, store_id, STORE_ID_SIZE) == 0;
        if (ours && parsed.id == drop) {
            continue;
        }
        if (ours && parsed.id > *ret_last) {
            *ret_last = parsed.id;
        }
        *ret_n += is_key ? 1 : 0;
        buf_put_slice(ret, line);
        buf_put_byte(ret, '\n');
    }
    crypto_wipe(&parsed, sizeof parsed);
    return status == AUTH_OK ? buf_status(ret) : status;
}

/* Takes the turn, and clears away the keys that one who was killed in his has left lying about. */
static enum auth_status take_turn(const char *path, struct key_turn *ret, struct detail *detail)
{
    enum auth_status status = key_turn_take(path, ret, detail);

    if (status == AUTH_OK) {
        file_remove_leftovers(path);
    }
    return status;
}

/*
 * A rename would replace a link by a file, and a link in a directory others may write to could
 * make us copy what we should not.
 */
static enum auth_status refuse_link(const char *path, struct detail *detail)
{
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
        return detail_set(detail, AUTH_STORE_DENIED,
                          "key file %s is a symbolic link: name the file itself to change it",
                          path);
    }
    return AUTH_OK;
}

enum auth_status keyring_add(const char *path, const uint8_t store_id[STORE_ID_SIZE], mode_t mode,
                             gid_t gid, uint32_t *ret_id, struct detail *detail)
{
    struct file_mode file = {mode, FILES_ANY_USER, gid};
    struct key_text text = {NULL, 0, 0, {0}};
    struct key_line line;
    struct buf lines;
    uint32_t last = 0;
    size_t n = 0;
    struct key_turn turn;

    buf_init(&lines, KEY_TEXT_MAX);
    enum auth_status status = take_turn(path, &turn, detail);
    if (status != AUTH_OK) {
        return status;
    }
    status = refuse_link(path, detail);
    if (status == AUTH_OK) {
        status = key_text_read(path, &text, detail);
    }
    if (status == AUTH_OK) {
        file.uid = text.st.st_uid;
        file.gid = gid == FILES_ANY_GROUP ? text.st.st_gid : gid;
        status = copy_lines(path, slice_of(text.p, text.n), store_id, 0, &lines, &n, &last, detail);
    } else if (status == AUTH_KEY_MISSING) {
        status = AUTH_OK;
    }
    if (status == AUTH_OK && last == UINT32_MAX) {
        status = detail_set(detail, AUTH_KEY_DAMAGED, "key file %s: no key id is left", path);
    }
    if (status == AUTH_OK) {
        status = crypto_random(line.raw, sizeof line.raw);
    }
    if (status == AUTH_OK) {
        line.id = last + 1;
        line.since = (uint32_t)time(NULL);
        memcpy(line.store_id, store_id, sizeof line.store_id);
        key_line_put(&lines, &line);
        status = buf_status(&lines);
    }
    if (status == AUTH_OK) {
        status = file_replace(path, &file, buf_slice(&lines), detail);
    }
    if (status == AUTH_OK) {
        *ret_id = line.id;
    }
    crypto_wipe(&line, sizeof line);
    buf_release(&lines);
    key_text_release(&text);
    key_turn_end(&turn);
    return status;
}

enum auth_status keyring_remove(const char *path, const uint8_t store_id[STORE_ID_SIZE],
                                uint32_t id, const struct file_mode *before, struct detail *detail)
{
    struct key_text text = {NULL, 0, 0, {0}};
    struct buf lines;
    uint32_t last = 0;
    size_t n = 0;
    struct key_turn turn;

    buf_init(&lines, KEY_TEXT_MAX);
    enum auth_status status = take_turn(path, &turn, detail);
    if (status != AUTH_OK) {
        return status;
    }
    status = refuse_link(path, detail);
    if (status == AUTH_OK) {
        status = key_text_read(path, &text, detail);
    }
    if (status == AUTH_OK) {
        status =
            copy_lines(path, slice_of(text.p, text.n), store_id, id, &lines, &n, &last, detail);
    }
    if (status == AUTH_OK && n == 0 && before == NULL) {
        if (unlink(path) != 0) {
            status = file_explain("cannot remove", path, errno, detail);
        }
    } else if (status == AUTH_OK) {
        const struct file_mode file = {text.st.st_mode & 07777, text.st.st_uid, text.st.st_gid};

        status = file_replace(path, before != NULL ? before : &file, buf_slice(&lines), detail);
    }
    buf_release(&lines);
    key_text_release(&text);
    key_turn_end(&turn);
    return status;
}
