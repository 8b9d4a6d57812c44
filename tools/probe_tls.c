/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe_tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct probe_tls_trust {
    SSL_CTX *context;
};

struct probe_tls {
    SSL *ssl;
};

enum { EXPORTED_SIZE = 32 }; /* RFC 9266 2 */

static const char exporter_label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 2 */

/* What OpenSSL, or the system below it, complained about last. */
static enum auth_status failure(struct detail *detail, const char *what, int code)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;
    if (reason == NULL && code == SSL_ERROR_SYSCALL && errno != 0) {
        reason = strerror(errno);
    }
    return detail_set(detail, AUTH_UNAVAILABLE, "%s: %s", what,
                      reason != NULL ? reason : "the server closed the connection");
}

/* What a handshake can fail with before there is a certificate to judge. */
static enum auth_status handshake_failure(struct detail *detail, int code)
{
    switch (ERR_GET_REASON(ERR_peek_last_error())) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        return detail_set(detail, AUTH_UNAVAILABLE,
                          "TLS handshake: the server answers in the clear; perhaps this port wants "
                          "--tls starttls");
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return detail_set(detail, AUTH_UNAVAILABLE,
                          "TLS handshake: the server has neither TLS 1.2 nor 1.3, which current "
                          "mail programs want");
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_NO_CIPHERS_AVAILABLE:
        return detail_set(detail, AUTH_UNAVAILABLE,
                          "TLS handshake: server and client have no cipher in common");
    default:
        return failure(detail, "TLS handshake", code);
    }
}

static enum auth_status trust(SSL_CTX *context, const struct probe_tls_options *options,
                              struct detail *detail)
{
    if (options->insecure) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        return AUTH_OK;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (options->ca == NULL) {
        return SSL_CTX_set_default_verify_paths(context) == 1
                   ? AUTH_OK
                   : failure(detail, "the trusted certificates", 0);
    }
    /* OpenSSL's word for it would be "system lib". */
    if (access(options->ca, R_OK) != 0) {
        return detail_set(detail, AUTH_UNAVAILABLE, "%s: %s", options->ca, strerror(errno));
    }
    if (SSL_CTX_load_verify_file(context, options->ca) != 1) {
        return failure(detail, options->ca, 0);
    }
    return AUTH_OK;
}

/* An address is looked for among the certificate's addresses, and never goes into SNI (RFC 6066 3).
 */
static bool name_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    union {
        const char *in;
        void *out;
    } name = {host}; /* which OpenSSL copies, though it takes no const */
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(host);
    if (address != NULL) {
        ASN1_OCTET_STRING_free(address);
        return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
    }
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
           SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.out) == 1;
}

enum auth_status probe_tls_load(struct probe_tls_options *options, struct detail *detail)
{
    enum auth_status status = AUTH_INTERNAL;
    struct probe_tls_trust *loaded = calloc(1, sizeof *loaded);
    if (loaded == NULL) {
        return AUTH_NO_MEMORY;
    }
    options->trust = loaded;
    ERR_clear_error();
    loaded->context = SSL_CTX_new(TLS_client_method());
    if (loaded->context == NULL ||
        SSL_CTX_set_min_proto_version(loaded->context, TLS1_2_VERSION) != 1) {
        status = failure(detail, "TLS", 0);
    } else {
        SSL_CTX_set_mode(loaded->context, SSL_MODE_ENABLE_PARTIAL_WRITE);
        status = trust(loaded->context, options, detail);
    }
    if (status != AUTH_OK) {
        probe_tls_unload(options);
    }
    return status;
}

void probe_tls_unload(struct probe_tls_options *options)
{
    if (options->trust != NULL) {
        SSL_CTX_free(options->trust->context);
        free(options->trust);
        options->trust = NULL;
    }
}

enum auth_status probe_tls_new(int fd, const struct probe_tls_options *options,
                               struct probe_tls **ret, struct detail *detail)
{
    enum auth_status status = AUTH_INTERNAL;
    struct probe_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        return AUTH_NO_MEMORY;
    }
    ERR_clear_error();
    tls->ssl = SSL_new(options->trust->context);
    if (tls->ssl == NULL || SSL_set_fd(tls->ssl, fd) != 1 || !name_host(tls->ssl, options->host)) {
        status = failure(detail, "TLS", 0);
        goto out;
    }
    *ret = tls;
    return AUTH_OK;

out:
    probe_tls_free(tls);
    return status;
}

void probe_tls_free(struct probe_tls *tls)
{
    if (tls != NULL) {
        SSL_free(tls->ssl);
        free(tls);
    }
}

/* True if the call has only to be repeated, with what to wait for. */
static bool must_wait(const struct probe_tls *tls, int result, int *ret_code, short *ret_wanted)
{
    *ret_code = SSL_get_error(tls->ssl, result);
    *ret_wanted = 0;
    if (*ret_code == SSL_ERROR_WANT_READ) {
        *ret_wanted = POLLIN;
    } else if (*ret_code == SSL_ERROR_WANT_WRITE) {
        *ret_wanted = POLLOUT;
    }
    return *ret_wanted != 0;
}

enum auth_status probe_tls_handshake(struct probe_tls *tls, short *ret_wanted,
                                     struct detail *detail)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_connect(tls->ssl);
    int code = 0;
    *ret_wanted = 0;
    if (result == 1 || must_wait(tls, result, &code, ret_wanted)) {
        return AUTH_OK;
    }
    long verdict = SSL_get_verify_result(tls->ssl);
    if (verdict != X509_V_OK && SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE) {
        return detail_set(detail, AUTH_BAD_SERVER, "%s", X509_verify_cert_error_string(verdict));
    }
    return handshake_failure(detail, code);
}

enum auth_status probe_tls_read(struct probe_tls *tls, uint8_t *ret, size_t cap, size_t *ret_n,
                                short *ret_wanted, struct detail *detail)
{
    ERR_clear_error();
    errno = 0;
    int code = 0;
    int result = SSL_read(tls->ssl, ret, cap < INT_MAX ? (int)cap : INT_MAX);
    *ret_wanted = 0;
    *ret_n = result > 0 ? (size_t)result : 0;
    if (result > 0 || must_wait(tls, result, &code, ret_wanted) || code == SSL_ERROR_ZERO_RETURN) {
        return AUTH_OK;
    }
    return failure(detail, "TLS", code);
}

enum auth_status probe_tls_write(struct probe_tls *tls, struct slice bytes, size_t *ret_n,
                                 short *ret_wanted, struct detail *detail)
{
    ERR_clear_error();
    errno = 0;
    int code = 0;
    int result = SSL_write(tls->ssl, bytes.p, bytes.n < INT_MAX ? (int)bytes.n : INT_MAX);
    *ret_wanted = 0;
    *ret_n = result > 0 ? (size_t)result : 0;
    if (result > 0 || must_wait(tls, result, &code, ret_wanted)) {
        return AUTH_OK;
    }
    return failure(detail, "TLS", code);
}

void probe_tls_describe(const struct probe_tls *tls, struct buf *ret)
{
    buf_put_str(ret, SSL_get_version(tls->ssl));
    buf_put_byte(ret, ' ');
    buf_put_str(ret, SSL_get_cipher_name(tls->ssl));
}

unsigned probe_tls_bits(const struct probe_tls *tls)
{
    int bits = SSL_get_cipher_bits(tls->ssl, NULL);
    return bits > 0 ? (unsigned)bits : 0;
}

/* The first Finished message of the handshake (RFC 5929 3.1): the client's, unless it resumes. */
static size_t first_finished(SSL *ssl, struct probe_binding *ret)
{
    if (SSL_session_reused(ssl) == 1) {
        return SSL_get_peer_finished(ssl, ret->data, sizeof ret->data);
    }
    return SSL_get_finished(ssl, ret->data, sizeof ret->data);
}

void probe_tls_bind(const struct probe_tls *tls, struct probe_binding *ret)
{
    *ret = (struct probe_binding){.name = NULL};
    if (tls == NULL) {
        return;
    }
    if (SSL_version(tls->ssl) >= TLS1_3_VERSION) {
        if (SSL_export_keying_material(tls->ssl, ret->data, EXPORTED_SIZE, exporter_label,
                                       sizeof exporter_label - 1, (const uint8_t *)"", 0, 1) == 1) {
            ret->name = "tls-exporter";
            ret->n = EXPORTED_SIZE;
        }
    } else if (SSL_get_extms_support(tls->ssl) == 1) {
        /* Without RFC 7627 somebody between can give both sides the same Finished. */
        ret->n = first_finished(tls->ssl, ret);
        ret->name = ret->n > 0 && ret->n <= sizeof ret->data ? "tls-unique" : NULL;
    }
}
