/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LDIF content records (RFC 2849), as slapcat and ldapsearch write them. The account is uid, or
 * mail where there is no uid; userPassword is {SCHEME}value (scheme.h), without a scheme the
 * password itself; authPassword holds SCRAM verifiers (RFC 5803). Of several values each is kept
 * for what it is good for, and a password makes the others needless. Entries without a uid and
 * without a password are no accounts and mean nothing here.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "import_source.h"
#include "scheme.h"

enum {
    VALUE_MAX = 4096,        /* bytes of one value that matters, decoded */
    PASSWORDS_MAX = 1 << 16, /* of all userPassword values of an entry */
};

struct ldif {
    struct buf ahead; /* the physical line behind the one at hand */
    uint64_t ahead_number;
    bool have_ahead;

    /* The entry at hand. */
    uint64_t number; /* of its first line */
    bool has_dn;
    bool has_more; /* lines beside dn, version and comments */
    struct buf uid;
    struct buf mail;
    struct buf passwords; /* userPassword values, each behind its length */
    enum auth_status fault;
    struct detail reason;
};

static void entry_clear(struct ldif *ldif)
{
    ldif->number = 0;
    ldif->has_dn = false;
    ldif->has_more = false;
    buf_clear(&ldif->uid);
    buf_clear(&ldif->mail);
    buf_clear(&ldif->passwords);
    ldif->fault = AUTH_OK;
    ldif->reason.text[0] = '\0';
}

/* The first fault of an entry that has nothing better is what is told. */
static void note_fault(struct ldif *ldif, enum auth_status status, const char *reason)
{
    if (ldif->fault == AUTH_OK) {
        ldif->fault = detail_set(&ldif->reason, status, "%s", reason);
    }
}

/* A line that is too long is an attribute nobody asks for; what continues it goes with it. */
static enum auth_status look_ahead(struct import_source *source, struct ldif *ldif)
{
    struct slice line = slice_of(NULL, 0);
    enum auth_status status = import_next_line(source, &line);
    if (status != AUTH_OK && status != AUTH_TOO_LONG) {
        return status;
    }
    buf_clear(&ldif->ahead);
    if (status == AUTH_OK) {
        buf_put_slice(&ldif->ahead, import_without_cr(line));
    } else {
        buf_put_str(&ldif->ahead, "x-too-long: ");
    }
    ldif->ahead_number = source->last;
    ldif->have_ahead = true;
    return buf_status(&ldif->ahead);
}

/*
 * The next line with its continuations (RFC 2849: a line that begins with a space), in
 * source->text. Nothing is read beyond the empty line that ends an entry. AUTH_CONTINUE at the end.
 */
static enum auth_status next_unfolded(struct import_source *source, struct ldif *ldif)
{
    enum auth_status status = ldif->have_ahead ? AUTH_OK : look_ahead(source, ldif);
    if (status != AUTH_OK) {
        return status;
    }
    buf_clear(&source->text);
    buf_put_slice(&source->text, buf_slice(&ldif->ahead));
    ldif->have_ahead = false;
    if (ldif->number == 0) {
        ldif->number = ldif->ahead_number;
    }
    while (source->text.n > 0) {
        status = look_ahead(source, ldif);
        if (status == AUTH_CONTINUE) {
            break;
        }
        if (status != AUTH_OK) {
            return status;
        }
        struct slice more = buf_slice(&ldif->ahead);
        if (!slice_take_literal(&more, " ")) {
            break;
        }
        buf_put_slice(&source->text, more);
        ldif->have_ahead = false;
    }
    /* Too long to be looked at, and so not what we look for. */
    if (buf_status(&source->text) == AUTH_TOO_LONG) {
        buf_clear(&source->text);
        buf_put_str(&source->text, "x-too-long: ");
    }
    return buf_status(&source->text);
}

/* value-spec = ":" ( FILL SAFE-STRING / ":" FILL BASE64-STRING / "<" FILL url ) */
static bool take_value(struct slice spec, struct buf *ret)
{
    uint8_t bytes[VALUE_MAX];
    size_t n = 0;
    bool base64 = slice_take_literal(&spec, ":");
    if (!base64 && slice_take_literal(&spec, "<")) {
        return false;
    }
    while (slice_take_literal(&spec, " ")) {
    }
    if (!base64) {
        buf_put_slice(ret, spec);
        return spec.n <= VALUE_MAX;
    }
    bool ok = crypto_base64_take(spec, bytes, sizeof bytes, &n) == AUTH_OK;
    buf_put(ret, bytes, n);
    crypto_wipe(bytes, sizeof bytes);
    return ok;
}

static void take_password(struct ldif *ldif, struct slice spec)
{
    struct buf value;
    buf_init(&value, VALUE_MAX);
    if (!take_value(spec, &value) || buf_status(&value) != AUTH_OK) {
        note_fault(ldif, AUTH_MALFORMED, "userPassword cannot be decoded");
    } else {
        buf_put_u16(&ldif->passwords, (uint16_t)value.n);
        buf_put_slice(&ldif->passwords, buf_slice(&value));
    }
    buf_release(&value);
}

static void take_auth_password(struct ldif *ldif, struct slice spec, struct verifier_set *set)
{
    struct scram_verifier scram = {.iterations = 0};
    struct buf value;
    buf_init(&value, VALUE_MAX);
    enum auth_status status = AUTH_MALFORMED;
    if (take_value(spec, &value)) {
        status = verifier_take_rfc5803(buf_slice(&value), &scram);
    }
    if (status == AUTH_OK) {
        set->scram[verifier_scram_slot(scram.hash)] = scram;
    } else {
        note_fault(ldif, status == AUTH_NO_VERIFIER ? status : AUTH_MALFORMED,
                   "authPassword is not a SCRAM verifier (RFC 5803)");
    }
    crypto_wipe(&scram, sizeof scram);
    buf_release(&value);
}

static void take_name_value(struct ldif *ldif, struct slice spec, struct buf *name)
{
    /* The first value is the name; others are other names of the same account. */
    if (name->n == 0 && !take_value(spec, name)) {
        note_fault(ldif, AUTH_MALFORMED, "its name cannot be decoded");
    }
}

static void take_attribute(struct ldif *ldif, struct slice line, struct import_entry *ret)
{
    struct slice description;
    struct slice name;
    if (line.p[0] == '#') {
        return;
    }
    if (!slice_take_until(&line, ':', &description)) {
        ldif->has_more = true;
        return;
    }
    slice_take_run(&description, ';', &name); /* options, such as ";binary" */
    if (slice_equal_nocase(name, slice_str("dn"))) {
        ldif->has_dn = true;
    } else if (!slice_equal_nocase(name, slice_str("version"))) {
        ldif->has_more = true;
    }
    if (slice_equal_nocase(name, slice_str("userPassword"))) {
        take_password(ldif, line);
    } else if (slice_equal_nocase(name, slice_str("authPassword"))) {
        take_auth_password(ldif, line, &ret->record.verifiers);
    } else if (slice_equal_nocase(name, slice_str("uid"))) {
        take_name_value(ldif, line, &ldif->uid);
    } else if (slice_equal_nocase(name, slice_str("mail"))) {
        take_name_value(ldif, line, &ldif->mail);
    } else if (slice_equal_nocase(name, slice_str("changetype"))) {
        struct buf value;
        buf_init(&value, VALUE_MAX);
        if (!take_value(line, &value) || !slice_equal_nocase(buf_slice(&value), slice_str("add"))) {
            note_fault(ldif, AUTH_MALFORMED, "a change, not an entry");
        }
        buf_release(&value);
    }
}

/* Everything the userPassword values are good for; a fault counts only if that is nothing. */
static enum auth_status take_passwords(struct import_source *source, struct ldif *ldif,
                                       struct slice name, struct import_entry *ret)
{
    const struct scheme_account account = {
        .name = name, .who = &ret->record.who, .default_scheme = "PLAIN"};
    struct slice rest = buf_slice(&ldif->passwords);
    uint16_t n = 0;
    struct slice value;
    while (slice_take_u16(&rest, &n) && slice_take(&rest, n, &value)) {
        struct detail why = {.text = ""};
        struct import_entry one = *ret;
        enum auth_status status = scheme_take(value, &account, &source->password, &one, &why);
        if (import_is_fatal(status)) {
            return status;
        }
        if (status == AUTH_OK) {
            *ret = one;
        } else {
            note_fault(ldif, status, detail_text(&why, status));
        }
        crypto_wipe(&one, sizeof one);
    }
    return buf_status(&ldif->passwords);
}

/* AUTH_CONTINUE for an entry that is no account. */
static enum auth_status finish_entry(struct import_source *source, struct ldif *ldif,
                                     struct import_entry *ret, struct detail *why)
{
    struct slice name = buf_slice(ldif->uid.n > 0 ? &ldif->uid : &ldif->mail);
    const bool secrets = ldif->passwords.n > 0 || verifier_kinds(&ret->record.verifiers) != 0;
    if (name.n == 0) {
        if (ldif->has_more && !ldif->has_dn) {
            return detail_set(why, AUTH_MALFORMED, "not an entry of LDIF: it has no dn");
        }
        return !secrets && ldif->fault == AUTH_OK
                   ? AUTH_CONTINUE
                   : detail_set(why, AUTH_MALFORMED, "an entry with a password has no uid");
    }
    if (!secrets && ldif->fault == AUTH_OK) {
        return detail_set(why, AUTH_NO_VERIFIER, "it has neither userPassword nor authPassword");
    }
    enum auth_status status =
        import_take_name(source, name, slice_of(NULL, 0), &ret->record.who, why);
    if (status == AUTH_OK) {
        status = take_passwords(source, ldif, name, ret);
    }
    if (status != AUTH_OK) {
        return status;
    }
    if (ret->password.p == NULL && verifier_kinds(&ret->record.verifiers) == 0) {
        return detail_set(why, ldif->fault, "%s", ldif->reason.text);
    }
    return AUTH_OK;
}

static enum auth_status next(struct import_source *source, struct import_entry *ret,
                             struct detail *why)
{
    struct ldif *ldif = source->state;
    enum auth_status status = AUTH_CONTINUE;
    bool ended = false;
    while (status == AUTH_CONTINUE && !ended) {
        entry_clear(ldif);
        *ret = (struct import_entry){.password = {NULL, 0}};
        for (bool inside = true; inside;) {
            status = next_unfolded(source, ldif);
            if (status != AUTH_OK && status != AUTH_CONTINUE) {
                return status;
            }
            ended = status == AUTH_CONTINUE;
            inside = !ended && source->text.n > 0;
            if (inside) {
                take_attribute(ldif, buf_slice(&source->text), ret);
            }
        }
        source->first = ldif->number;
        status = finish_entry(source, ldif, ret, why);
    }
    return status;
}

static enum auth_status begin(struct import_source *source, struct detail *why)
{
    (void)why;
    struct ldif *ldif = calloc(1, sizeof *ldif);
    if (ldif == NULL) {
        return AUTH_NO_MEMORY;
    }
    source->state = ldif;
    buf_init(&ldif->ahead, IMPORT_LINE_MAX);
    buf_init(&ldif->uid, VALUE_MAX);
    buf_init(&ldif->mail, VALUE_MAX);
    buf_init(&ldif->passwords, PASSWORDS_MAX);
    return AUTH_OK;
}

static void end(struct import_source *source)
{
    struct ldif *ldif = source->state;
    if (ldif != NULL) {
        buf_release(&ldif->ahead);
        buf_release(&ldif->uid);
        buf_release(&ldif->mail);
        buf_release(&ldif->passwords);
        free(ldif);
    }
}

const struct import_format import_ldif = {
    .name = "ldif",
    .unit = "line",
    .line_max = IMPORT_LINE_MAX,
    .begin = begin,
    .next = next,
    .end = end,
};
