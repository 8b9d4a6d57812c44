/* SPDX-License-Identifier: BSD-2-Clause */
#include "tally.h"

#include "engine/verifier.h"

static const struct {
    const char *name;
    unsigned kinds; /* any of these will do */
} rows[TALLY_ROWS] = {
    {"PLAIN", VERIFIER_SCRAM | VERIFIER_CRYPT}, {"LOGIN", VERIFIER_SCRAM | VERIFIER_CRYPT},
    {"SCRAM-SHA-1", VERIFIER_SCRAM_SHA_1},      {"SCRAM-SHA-256", VERIFIER_SCRAM_SHA_256},
    {"SCRAM-SHA-512", VERIFIER_SCRAM_SHA_512},  {"CRAM-MD5", VERIFIER_CRAM_MD5},
    {"DIGEST-MD5", VERIFIER_DIGEST_MD5},        {"sasl_checkpass", VERIFIER_CHECKPASS_MD5},
};

void tally_add(struct tally *tally, unsigned kinds)
{
    for (size_t i = 0; i < TALLY_ROWS; i++) {
        tally->accounts[i] += (kinds & rows[i].kinds) != 0;
    }
}

bool tally_add_lost(struct tally *tally, unsigned before, unsigned after)
{
    bool lost = false;

    for (size_t i = 0; i < TALLY_ROWS; i++) {
        if ((before & rows[i].kinds) != 0 && (after & rows[i].kinds) == 0) {
            tally->accounts[i]++;
            lost = true;
        }
    }
    return lost;
}

void tally_put(struct buf *b, const struct tally *tally, bool all)
{
    const char *separator = "";

    for (size_t i = 0; i < TALLY_ROWS; i++) {
        if (tally->accounts[i] == 0 && !all) {
            continue;
        }
        buf_put_str(b, separator);
        separator = ", ";
        buf_put_str(b, rows[i].name);
        buf_put_byte(b, ' ');
        buf_put_decimal(b, tally->accounts[i]);
    }
}

json_t *tally_names(unsigned kinds)
{
    json_t *names = json_array();
    for (size_t i = 0; i < TALLY_ROWS; i++) {
        if ((kinds & rows[i].kinds) != 0) {
            json_array_append_new(names, json_string(rows[i].name));
        }
    }
    return names;
}

json_t *tally_json(const struct tally *tally)
{
    json_t *object = json_object();
    for (size_t i = 0; i < TALLY_ROWS; i++) {
        json_object_set_new(object, rows[i].name, json_integer((json_int_t)tally->accounts[i]));
    }
    return object;
}
