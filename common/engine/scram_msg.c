/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/scram_msg.h"

#include "engine/identity.h"

const struct scram_variant scram_sha_1 = {"SCRAM-SHA-1", CRYPTO_SHA1};
const struct scram_variant scram_sha_256 = {"SCRAM-SHA-256", CRYPTO_SHA256};
const struct scram_variant scram_sha_512 = {"SCRAM-SHA-512", CRYPTO_SHA512};

/* Letters with a meaning of their own (RFC 5802 5.1); they cannot name an extension. */
static const char reserved_letters[] = "anmrcsipve";

static enum auth_status fail(const char **ret_detail, const char *detail)
{
    *ret_detail = detail;
    return AUTH_MALFORMED;
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* value = 1*<UTF-8 character except NUL and ","> (RFC 5802 7) */
static bool is_value(struct slice value)
{
    return value.n > 0 && !slice_find(value, 0, NULL) && identity_is_utf8(value);
}

static bool take_value(struct slice *in, struct slice *ret)
{
    slice_take_run(in, ',', ret);
    return is_value(*ret);
}

/* name "=" value, up to the next comma or the end. The slice may have moved when it fails. */
static bool take_attribute(struct slice *in, const char *name_and_equals, struct slice *ret)
{
    return slice_take_literal(in, name_and_equals) && take_value(in, ret);
}

/* One ALPHA "=" value that means nothing to us. */
static bool skip_extension(struct slice *in)
{
    struct slice value;
    uint8_t letter;

    return slice_take_byte(in, &letter) && is_letter(letter) &&
           !slice_find(slice_str(reserved_letters), letter, NULL) && slice_take_literal(in, "=") &&
           take_value(in, &value);
}

/* [ "," extensions ] at the end of a message */
static bool skip_extensions_to_end(struct slice *in)
{
    while (in->n > 0) {
        if (!slice_take_literal(in, ",") || !skip_extension(in)) {
            return false;
        }
    }
    return true;
}

/* nonce = "r=" 1*<printable ASCII except ","> */
static enum auth_status take_nonce(struct slice *in, size_t max, struct slice *ret,
                                   const char **ret_detail)
{
    if (!take_attribute(in, "r=", ret)) {
        return fail(ret_detail, "no nonce where one belongs");
    }
    if (ret->n > max) {
        *ret_detail = "nonce too long";
        return AUTH_TOO_LONG;
    }
    if (!slice_is_printable(*ret) || slice_find(*ret, ' ', NULL)) {
        return fail(ret_detail, "nonce is not printable ASCII");
    }
    return AUTH_OK;
}

/* saslname = 1*(value-safe-char / "=2C" / "=3D") */
static bool is_name(struct slice name)
{
    uint8_t c;

    while (slice_take_byte(&name, &c)) {
        if (c == '=' && !slice_take_literal(&name, "2C") && !slice_take_literal(&name, "3D")) {
            return false;
        }
    }
    return true;
}

/* cb-name = 1*(ALPHA / DIGIT / "." / "-") (RFC 5801 4) */
static bool is_binding_name(struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '.' && c != '-') {
            return false;
        }
    }
    return name.n > 0;
}

/* gs2-header = ( "n" / "y" / "p=" cb-name ) "," [ "a=" saslname ] "," */
static enum auth_status take_gs2(struct slice *in, struct scram_gs2 *ret, const char **ret_detail)
{
    const struct slice whole = *in;

    *ret = (struct scram_gs2){.binding = SCRAM_BINDING_NONE};
    if (slice_take_literal(in, "y")) {
        ret->binding = SCRAM_BINDING_UNUSED;
    } else if (slice_take_literal(in, "p=")) {
        ret->binding = SCRAM_BINDING_USED;
        slice_take_run(in, ',', &ret->binding_name);
        if (!is_binding_name(ret->binding_name)) {
            return fail(ret_detail, "malformed name of a channel binding");
        }
    } else if (!slice_take_literal(in, "n")) {
        return fail(ret_detail, "no gs2 header");
    }
    if (!slice_take_literal(in, ",")) {
        return fail(ret_detail, "malformed gs2 header");
    }
    if (slice_take_literal(in, "a=")) {
        /* A saslname is not empty; GNU SASL sends an empty one for "none" all the same. */
        slice_take_run(in, ',', &ret->authzid);
        if (ret->authzid.n > 0 && (!is_value(ret->authzid) || !is_name(ret->authzid))) {
            return fail(ret_detail, "malformed authorization identity");
        }
    }
    if (!slice_take_literal(in, ",")) {
        return fail(ret_detail, "malformed gs2 header");
    }
    ret->header = slice_of(whole.p, whole.n - in->n);
    return AUTH_OK;
}

static enum auth_status check_size(struct slice in, const char **ret_detail)
{
    *ret_detail = NULL;
    if (in.n > SCRAM_MAX_MESSAGE) {
        *ret_detail = "message too long";
        return AUTH_TOO_LONG;
    }
    return AUTH_OK;
}

static bool is_mandatory_extension(struct slice in)
{
    return slice_take_literal(&in, "m=");
}

/* client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions] */
enum auth_status scram_parse_client_first(struct slice in, struct scram_client_first *ret,
                                          const char **ret_detail)
{
    enum auth_status status = check_size(in, ret_detail);

    if (status != AUTH_OK || (status = take_gs2(&in, &ret->gs2, ret_detail)) != AUTH_OK) {
        return status;
    }
    ret->bare = in;
    if (is_mandatory_extension(in)) {
        return fail(ret_detail, "a mandatory extension that is not supported");
    }
    if (!take_attribute(&in, "n=", &ret->username) || !is_name(ret->username)) {
        return fail(ret_detail, "malformed username");
    }
    if (!slice_take_literal(&in, ",")) {
        return fail(ret_detail, "nothing after the username");
    }
    status = take_nonce(&in, SCRAM_MAX_NONCE, &ret->nonce, ret_detail);
    if (status != AUTH_OK) {
        return status;
    }
    return skip_extensions_to_end(&in) ? AUTH_OK : fail(ret_detail, "malformed extension");
}

/* server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions] */
enum auth_status scram_parse_server_first(struct slice in, struct scram_server_first *ret,
                                          const char **ret_detail)
{
    enum auth_status status = check_size(in, ret_detail);

    if (status != AUTH_OK) {
        return status;
    }
    if (is_mandatory_extension(in)) {
        return fail(ret_detail, "a mandatory extension that is not supported");
    }
    status = take_nonce(&in, SCRAM_MAX_FULL_NONCE, &ret->nonce, ret_detail);
    if (status != AUTH_OK) {
        return status;
    }
    if (!slice_take_literal(&in, ",") || !take_attribute(&in, "s=", &ret->salt)) {
        return fail(ret_detail, "no salt");
    }
    /* posit-number = %x31-39 *DIGIT */
    if (!slice_take_literal(&in, ",i=") || !slice_take_decimal(&in, UINT32_MAX, &ret->iterations) ||
        ret->iterations == 0) {
        return fail(ret_detail, "no iteration count");
    }
    return skip_extensions_to_end(&in) ? AUTH_OK : fail(ret_detail, "malformed extension");
}

/* client-final-message = channel-binding "," nonce ["," extensions] "," proof */
enum auth_status scram_parse_client_final(struct slice in, struct scram_client_final *ret,
                                          const char **ret_detail)
{
    const struct slice whole = in;
    enum auth_status status = check_size(in, ret_detail);

    if (status != AUTH_OK) {
        return status;
    }
    if (!take_attribute(&in, "c=", &ret->binding)) {
        return fail(ret_detail, "no channel binding");
    }
    if (!slice_take_literal(&in, ",")) {
        return fail(ret_detail, "nothing after the channel binding");
    }
    status = take_nonce(&in, SCRAM_MAX_FULL_NONCE, &ret->nonce, ret_detail);
    if (status != AUTH_OK) {
        return status;
    }
    while (true) {
        ret->without_proof = slice_of(whole.p, whole.n - in.n);
        if (slice_take_literal(&in, ",p=")) {
            break;
        }
        if (!slice_take_literal(&in, ",")) {
            return fail(ret_detail, "no proof");
        }
        if (!skip_extension(&in)) {
            return fail(ret_detail, "malformed extension");
        }
    }
    if (!take_value(&in, &ret->proof)) {
        return fail(ret_detail, "empty proof");
    }
    return in.n == 0 ? AUTH_OK : fail(ret_detail, "something after the proof");
}

/* server-final-message = ( "e=" server-error-value / "v=" base64 ) ["," extensions] */
enum auth_status scram_parse_server_final(struct slice in, struct scram_server_final *ret,
                                          const char **ret_detail)
{
    enum auth_status status = check_size(in, ret_detail);

    if (status != AUTH_OK) {
        return status;
    }
    *ret = (struct scram_server_final){.verifier = {NULL, 0}};
    if (!take_attribute(&in, "v=", &ret->verifier) && !take_attribute(&in, "e=", &ret->error)) {
        return fail(ret_detail, "neither a verifier nor an error");
    }
    return skip_extensions_to_end(&in) ? AUTH_OK : fail(ret_detail, "malformed extension");
}

void scram_put_gs2(struct buf *b, const struct scram_gs2 *gs2)
{
    buf_put_byte(b, (uint8_t)gs2->binding);
    if (gs2->binding == SCRAM_BINDING_USED) {
        buf_put_byte(b, '=');
        buf_put_slice(b, gs2->binding_name);
    }
    buf_put_byte(b, ',');
    if (gs2->authzid.n > 0) {
        buf_put_str(b, "a=");
        buf_put_slice(b, gs2->authzid);
    }
    buf_put_byte(b, ',');
}

void scram_put_client_first_bare(struct buf *b, const struct scram_client_first *message)
{
    buf_put_str(b, "n=");
    buf_put_slice(b, message->username);
    buf_put_str(b, ",r=");
    buf_put_slice(b, message->nonce);
}

void scram_put_server_first(struct buf *b, const struct scram_server_first *message)
{
    buf_put_str(b, "r=");
    buf_put_slice(b, message->nonce);
    buf_put_str(b, ",s=");
    buf_put_slice(b, message->salt);
    buf_put_str(b, ",i=");
    buf_put_decimal(b, message->iterations);
}

void scram_put_client_final_without_proof(struct buf *b, const struct scram_client_final *message)
{
    buf_put_str(b, "c=");
    buf_put_slice(b, message->binding);
    buf_put_str(b, ",r=");
    buf_put_slice(b, message->nonce);
}

void scram_put_proof(struct buf *b, struct slice proof)
{
    buf_put_str(b, ",p=");
    buf_put_slice(b, proof);
}

void scram_put_server_final(struct buf *b, const struct scram_server_final *message)
{
    buf_put_str(b, message->error.p != NULL ? "e=" : "v=");
    buf_put_slice(b, message->error.p != NULL ? message->error : message->verifier);
}

bool scram_decode_name(struct slice name, struct buf *ret)
{
    uint8_t c;

    if (name.n == 0 || !is_name(name)) {
        return false;
    }
    while (slice_take_byte(&name, &c)) {
        if (c == '=') {
            c = slice_take_literal(&name, "2C") ? ',' : '=';
            if (c == '=' && !slice_take_literal(&name, "3D")) {
                return false;
            }
        }
        buf_put_byte(ret, c);
    }
    return true;
}

void scram_put_name(struct buf *b, struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == ',') {
            buf_put_str(b, "=2C");
        } else if (name.p[i] == '=') {
            buf_put_str(b, "=3D");
        } else {
            buf_put_byte(b, name.p[i]);
        }
    }
}
