/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `export --format jsonl` writes: a JSON object a line, see account_json.h. A line may have
 * "password" instead of verifiers, so that other programs can write the format too; it needs
 * "user" and, unless there is a default, "realm" then, and nothing else. An account becomes what
 * its line says, flags and times included.
 */
#include <jansson.h>
#include <string.h>

#include "account_json.h"
#include "import_source.h"
#include "json_memory.h"

static struct slice string_member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return slice_of(json_string_value(value), json_string_length(value));
}

static bool is_string_or_absent(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return value == NULL || json_is_string(value);
}

/* The password outlives the JSON value that it came in. */
static enum auth_status take_password(struct import_source *source, struct slice password,
                                      struct import_entry *ret, struct detail *why)
{
    if (verifier_kinds(&ret->record.verifiers) != 0) {
        return detail_set(why, AUTH_MALFORMED, "both a password and verifiers");
    }
    enum auth_status status = import_check_password(password, why);
    if (status != AUTH_OK) {
        return status;
    }
    buf_clear(&source->password);
    buf_put_slice(&source->password, password);
    ret->password = buf_slice(&source->password);
    return buf_status(&source->password);
}

static enum auth_status take_account(struct import_source *source, json_t *object,
                                     struct import_entry *ret, struct detail *why)
{
    if (!json_is_string(json_object_get(object, "user")) || !is_string_or_absent(object, "realm") ||
        !is_string_or_absent(object, "password")) {
        return detail_set(why, AUTH_MALFORMED,
                          "not an object with \"user\" and \"realm\" as strings");
    }
    enum auth_status status =
        import_take_name(source, string_member(object, "user"), string_member(object, "realm"),
                         &ret->record.who, why);
    if (status == AUTH_OK) {
        status = account_json_take(object, &ret->record, why);
    }
    if (status != AUTH_OK) {
        return status;
    }
    if (json_object_get(object, "password") != NULL) {
        return take_password(source, string_member(object, "password"), ret, why);
    }
    if (verifier_kinds(&ret->record.verifiers) == 0) {
        return detail_set(why, AUTH_NO_VERIFIER,
                          "it holds no verifiers (exported without --with-secrets?)");
    }
    return AUTH_OK;
}

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r') {
            return false;
        }
    }
    return true;
}

static enum auth_status parse(struct import_source *source, struct slice line,
                              struct import_entry *ret, struct detail *why)
{
    json_error_t error;
    if (is_blank(line)) {
        return AUTH_CONTINUE;
    }
    json_memory_begin();
    json_t *object = json_loadb((const char *)line.p, line.n, JSON_REJECT_DUPLICATES, &error);
    enum auth_status status = AUTH_OK;
    if (object != NULL) {
        status = take_account(source, object, ret, why);
    } else if (json_error_code(&error) == json_error_out_of_memory) {
        status = AUTH_NO_MEMORY;
    } else {
        /* The parser's own text quotes what it found. */
        status = detail_set(why, AUTH_MALFORMED, "not JSON, from byte %d on", error.position);
    }
    json_memory_end(object);
    return status;
}

const struct import_format import_jsonl = {
    .name = "jsonl",
    .unit = "line",
    .line_max = IMPORT_LONG_LINE_MAX,
    .whole = true,
    .parse = parse,
};
