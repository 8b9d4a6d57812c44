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

/* A change under way: the turn, the file as it was, and its lines but for a key that goes. */
struct change {
    struct key_turn turn;
    struct key_text text;
    struct buf lines;
    size_t n;      /* keys among them */
    uint32_t last; /* the largest id among keys of the same store */
};

static enum auth_status copy_lines(const char *path, const uint8_t *store_id, uint32_t drop,
                                   struct change *change, struct detail *detail)
{
    struct slice text = slice_of(change->text.p, change->text.n);
    enum auth_status status = AUTH_OK;
    struct key_line parsed;
    struct slice line;
    unsigned number = 0;

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
        if (ours && parsed.id > change->last) {
            change->last = parsed.id;
        }
        change->n += is_key ? 1 : 0;
        buf_put_slice(&change->lines, line);
        buf_put_byte(&change->lines, '\n');
    }
    crypto_wipe(&parsed, sizeof parsed);
    return status == AUTH_OK ? buf_status(&change->lines) : status;
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

/*
 * Takes the turn and reads the file; drop: the id of the key that goes, 0 for none. Whatever comes
 * of it, *ret is for change_end().
 */
static enum auth_status change_begin(const char *path, const uint8_t *store_id, uint32_t drop,
                                     struct change *ret, struct detail *detail)
{
    *ret = (struct change){.turn = {NULL, -1}};
    buf_init(&ret->lines, KEY_TEXT_MAX);
    enum auth_status status = take_turn(path, &ret->turn, detail);
    if (status == AUTH_OK) {
        status = refuse_link(path, detail);
    }
    if (status == AUTH_OK) {
        status = key_text_read(path, &ret->text, detail);
    }
    if (status == AUTH_OK) {
        status = copy_lines(path, store_id, drop, ret, detail);
    }
    return status;
}

static void change_end(struct change *change)
{
    buf_release(&change->lines);
    key_text_release(&change->text);
    if (change->turn.lock_path != NULL) {
        key_turn_end(&change->turn);
    }
}

enum auth_status keyring_add(const char *path, const uint8_t store_id[STORE_ID_SIZE], mode_t mode,
                             gid_t gid, uint32_t *ret_id, struct detail *detail)
{
    struct file_mode file = {mode, FILES_ANY_USER, gid};
    struct key_line line;
    struct change change;
    enum auth_status status = change_begin(path, store_id, 0, &change, detail);

    if (status == AUTH_OK) {
        file.uid = change.text.st.st_uid;
        file.gid = gid == FILES_ANY_GROUP ? change.text.st.st_gid : gid;
    } else if (status == AUTH_KEY_MISSING) {
        status = AUTH_OK;
    }
    if (status == AUTH_OK && change.last == UINT32_MAX) {
        status = detail_set(detail, AUTH_KEY_DAMAGED, "key file %s: no key id is left", path);
    }
    if (status == AUTH_OK) {
        status = crypto_random(line.raw, sizeof line.raw);
    }
    if (status == AUTH_OK) {
        line.id = change.last + 1;
        line.since = (uint32_t)time(NULL);
        memcpy(line.store_id, store_id, sizeof line.store_id);
        key_line_put(&change.lines, &line);
        status = buf_status(&change.lines);
    }
    if (status == AUTH_OK) {
        status = file_replace(path, &file, buf_slice(&change.lines), detail);
    }
    if (status == AUTH_OK) {
        *ret_id = line.id;
    }
    crypto_wipe(&line, sizeof line);
    change_end(&change);
    return status;
}

enum auth_status keyring_remove(const char *path, const uint8_t store_id[STORE_ID_SIZE],
                                uint32_t id, const struct file_mode *before, struct detail *detail)
{
    struct change change;
    enum auth_status status = change_begin(path, store_id, id, &change, detail);

    if (status == AUTH_OK && change.n == 0 && before == NULL) {
        if (unlink(path) != 0) {
            status = file_explain("cannot remove", path, errno, detail);
        }
    } else if (status == AUTH_OK) {
        const struct stat *st = &change.text.st;
        const struct file_mode file = {st->st_mode & 07777, st->st_uid, st->st_gid};

        status =
            file_replace(path, before != NULL ? before : &file, buf_slice(&change.lines), detail);
    }
    change_end(&change);
    return status;
}
