/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LDIF (RFC 2849) for OpenLDAP, where the stock ldapdb plugin reads the properties as attributes:
 * authPassword, one value for each SCRAM hash (RFC 5803), userPassword {CRYPT} for a crypt(3)
 * hash, and with --legacy cmusaslsecretCRAM-MD5 and cmusaslsecretDIGEST-MD5, the latter in the one
 * spelling the stock mechanism asks for. There is no version line, since slapadd takes it for an
 * entry. The schema is packaging/openldap/sasl-lmdb.schema.
 */
#include <string.h>

#include "base/crypto.h"
#include "export.h"

enum {
    ENTRY_MAX = 16384,
    FOLD = 76, /* characters of a line; longer ones go on behind a space */
};

/* Appends to a line that may have to be folded. *column counts its characters. */
static void put_folded(struct buf *entry, struct slice text, size_t *column)
{
    for (size_t i = 0; i < text.n; i++) {
        if (*column == FOLD) {
            buf_put_str(entry, "\n ");
            *column = 1;
        }
        buf_put_byte(entry, text.p[i]);
        ++*column;
    }
}

/* SAFE-STRING of RFC 2849, and nothing a reader might trim. */
static bool is_safe(struct slice value)
{
    if (value.n == 0 || !slice_is_printable(value)) {
        return false;
    }
    return value.p[0] != ' ' && value.p[0] != ':' && value.p[0] != '<' &&
           value.p[value.n - 1] != ' ';
}

static void put_attribute(struct buf *entry, const char *name, struct slice value)
{
    size_t column = 0;
    struct buf base64;
    buf_init(&base64, ENTRY_MAX);
    put_folded(entry, slice_str(name), &column);
    if (is_safe(value)) {
        put_folded(entry, slice_str(": "), &column);
        put_folded(entry, value, &column);
    } else {
        crypto_base64_put(&base64, value);
        put_folded(entry, slice_str(":: "), &column);
        put_folded(entry, buf_slice(&base64), &column);
    }
    buf_put_byte(entry, '\n');
    buf_release(&base64);
}

/* The value of an RDN (RFC 4514 2.4). */
static void put_rdn_value(struct buf *b, struct slice value)
{
    for (size_t i = 0; i < value.n; i++) {
        uint8_t c = value.p[i];
        bool edge = (i == 0 && (c == ' ' || c == '#')) || (i + 1 == value.n && c == ' ');
        if (edge || (c != '\0' && strchr("\"+,;<>\\=", c) != NULL)) {
            buf_put_byte(b, '\\');
        }
        buf_put_byte(b, c);
    }
}

static void put_dn(struct buf *entry, const char *base, struct slice uid)
{
    struct buf dn;
    buf_init(&dn, ENTRY_MAX);
    buf_put_str(&dn, "uid=");
    put_rdn_value(&dn, uid);
    buf_put_byte(&dn, ',');
    buf_put_str(&dn, base);
    put_attribute(entry, "dn", buf_slice(&dn));
    buf_release(&dn);
}

/* With a prefix, such as {CRYPT}. */
static void put_text(struct buf *entry, const char *name, const char *prefix, const char *text)
{
    struct buf value;
    buf_init(&value, ENTRY_MAX);
    buf_put_str(&value, prefix);
    buf_put_str(&value, text);
    put_attribute(entry, name, buf_slice(&value));
    buf_release(&value);
}

static void put_scrams(struct buf *entry, const struct verifier_set *set, unsigned kinds)
{
    static const unsigned slot_kind[VERIFIER_SCRAM_HASHES] = {
        VERIFIER_SCRAM_SHA_1, VERIFIER_SCRAM_SHA_256, VERIFIER_SCRAM_SHA_512};
    for (size_t i = 0; i < VERIFIER_SCRAM_HASHES; i++) {
        struct buf value;
        buf_init(&value, ENTRY_MAX);
        if ((kinds & slot_kind[i]) != 0) {
            verifier_put_rfc5803(&value, &set->scram[i]);
            put_attribute(entry, "authPassword", buf_slice(&value));
        }
        buf_release(&value);
    }
}

static void put_digest(struct buf *entry, const struct verifier_set *set)
{
    for (unsigned i = 0; i < set->n_digest; i++) {
        const struct digest_verifier *digest = &set->digest[i];
        if (digest->realm_kind == DIGEST_REALM_OWN && !digest->full_name && !digest->latin1) {
            put_attribute(entry, "cmusaslsecretDIGEST-MD5",
                          slice_of(digest->ha1, sizeof digest->ha1));
        }
    }
}

static enum auth_status put(struct export *export, const struct record *record, unsigned kinds,
                            struct detail *why)
{
    const struct verifier_set *set = &record->verifiers;
    struct buf entry;
    struct buf uid;
    (void)why;
    buf_init(&entry, ENTRY_MAX);
    buf_init(&uid, ENTRY_MAX);
    identity_put(&uid, &record->who);
    put_dn(&entry, export->base, buf_slice(&uid));
    put_text(&entry, "objectClass", "", "account");
    put_text(&entry, "objectClass", "", "authPasswordObject");
    if ((kinds & VERIFIER_CRYPT) != 0) {
        put_text(&entry, "objectClass", "", "simpleSecurityObject");
    }
    if ((kinds & VERIFIER_LEGACY) != 0) {
        put_text(&entry, "objectClass", "", "saslLegacySecretObject");
    }
    put_attribute(&entry, "uid", buf_slice(&uid));
    put_scrams(&entry, set, kinds);
    if ((kinds & VERIFIER_CRYPT) != 0) {
        put_text(&entry, "userPassword", "{CRYPT}", set->crypt);
    }
    if ((kinds & VERIFIER_CRAM_MD5) != 0) {
        put_attribute(&entry, "cmusaslsecretCRAM-MD5", slice_of(set->cram, sizeof set->cram));
    }
    if ((kinds & VERIFIER_DIGEST_MD5) != 0) {
        put_digest(&entry, set);
    }
    buf_put_byte(&entry, '\n'); /* an empty line ends an entry */
    enum auth_status status = buf_status(&entry);
    if (status == AUTH_OK) {
        fwrite(entry.p, 1, entry.n, export->out);
    }
    buf_release(&entry);
    buf_release(&uid);
    return status;
}

const struct export_format export_ldif = {
    .name = "ldif",
    .kinds = VERIFIER_SCRAM | VERIFIER_CRYPT | VERIFIER_CRAM_MD5 | VERIFIER_DIGEST_MD5,
    .needs_base = true,
    .put = put,
};
