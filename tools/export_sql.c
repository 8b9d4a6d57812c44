/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SQL statements for the stock sql auxprop plugin, which reads one value from one column and none
 * with a NUL: the SCRAM verifiers (RFC 5803) stand in one column, a newline between them, which
 * the mechanisms here understand. The query for them is
 *
 *   sql_select: SELECT authPassword FROM sasl_accounts WHERE username = '%u' AND realm = '%r'
 *               AND '%p' = 'authPassword'
 *
 * The statements keep to what PostgreSQL, MySQL and SQLite understand alike. A backslash in a
 * string means something to some of them and nothing to others, so a name that holds one is
 * refused.
 */
#include <string.h>

#include "export.h"

enum { STATEMENT_MAX = 8192 };

static void put_string(struct buf *b, struct slice text)
{
    buf_put_byte(b, '\'');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\'') {
            buf_put_byte(b, '\'');
        }
        buf_put_byte(b, text.p[i]);
    }
    buf_put_byte(b, '\'');
}

static void begin(struct export *export)
{
    fputs("BEGIN;\n"
          "CREATE TABLE IF NOT EXISTS sasl_accounts (\n"
          "    username VARCHAR(255) NOT NULL,\n"
          "    realm VARCHAR(255) NOT NULL,\n"
          "    authPassword VARCHAR(1024),\n"
          "    PRIMARY KEY (username, realm)\n"
          ");\n",
          export->out);
}

static void end(struct export *export)
{
    fputs("COMMIT;\n", export->out);
}

static void put_verifiers(struct buf *b, const struct verifier_set *set, unsigned kinds)
{
    static const unsigned slot_kind[VERIFIER_SCRAM_HASHES] = {
        VERIFIER_SCRAM_SHA_1, VERIFIER_SCRAM_SHA_256, VERIFIER_SCRAM_SHA_512};
    struct buf value;
    buf_init(&value, STATEMENT_MAX);
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        if ((kinds & slot_kind[i]) != 0) {
            buf_put_str(&value, value.n == 0 ? "" : "\n");
            verifier_put_rfc5803(&value, &set->scram[i]);
        }
    }
    if (value.n == 0) {
        buf_put_str(b, "NULL");
    } else {
        put_string(b, buf_slice(&value));
    }
    buf_release(&value);
}

static enum auth_status put(struct export *export, const struct record *record, unsigned kinds,
                            struct detail *why)
{
    struct buf statement;
    if (strchr(record->who.user, '\\') != NULL || strchr(record->who.realm, '\\') != NULL) {
        return detail_set(why, AUTH_BAD_NAME,
                          "databases do not agree on what a backslash in a string means");
    }
    buf_init(&statement, STATEMENT_MAX);
    buf_put_str(&statement, "DELETE FROM sasl_accounts WHERE username = ");
    put_string(&statement, slice_str(record->who.user));
    buf_put_str(&statement, " AND realm = ");
    put_string(&statement, slice_str(record->who.realm));
    buf_put_str(&statement, ";\n");
    buf_put_str(&statement, "INSERT INTO sasl_accounts (username, realm, authPassword) VALUES (");
    put_string(&statement, slice_str(record->who.user));
    buf_put_str(&statement, ", ");
    put_string(&statement, slice_str(record->who.realm));
    buf_put_str(&statement, ", ");
    put_verifiers(&statement, &record->verifiers, kinds);
    buf_put_str(&statement, ");\n");
    enum auth_status status = buf_status(&statement);
    if (status == AUTH_OK) {
        fwrite(statement.p, 1, statement.n, export->out);
    }
    buf_release(&statement);
    return status;
}

const struct export_format export_sql = {
    .name = "sql",
    .kinds = VERIFIER_SCRAM,
    .begin = begin,
    .put = put,
    .end = end,
};
