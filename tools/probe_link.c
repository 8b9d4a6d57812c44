/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe_link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deadline.h"

enum auth_status probe_wait(int fd, short events, int64_t deadline, struct detail *detail)
{
    for (;;) {
        int left = deadline_left(deadline);
        if (left == 0) {
            return detail_set(detail, AUTH_UNAVAILABLE, "no answer in time (--timeout)");
        }
        struct pollfd watched = {.fd = fd, .events = events};
        int ready = poll(&watched, 1, left);
        if (ready > 0) {
            return AUTH_OK;
        }
        if (ready < 0 && errno != EINTR) {
            return detail_set(detail, AUTH_UNAVAILABLE, "poll: %s", strerror(errno));
        }
    }
}

static enum auth_status connect_one(const struct addrinfo *address, int64_t deadline, int *ret_fd,
                                    struct detail *detail)
{
    enum auth_status status = AUTH_INTERNAL;
    int error = 0;
    socklen_t size = sizeof error;
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    address->ai_protocol);
    if (fd < 0) {
        return detail_set(detail, AUTH_UNAVAILABLE, "socket: %s", strerror(errno));
    }
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        if (errno != EINPROGRESS) {
            status = detail_set(detail, AUTH_UNAVAILABLE, "%s", strerror(errno));
            goto out;
        }
        status = probe_wait(fd, POLLOUT, deadline, detail);
        if (status != AUTH_OK) {
            goto out;
        }
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            status =
                detail_set(detail, AUTH_UNAVAILABLE, "%s", strerror(error != 0 ? error : errno));
            goto out;
        }
    }
    *ret_fd = fd;
    return AUTH_OK;

out:
    close(fd);
    return status;
}

/* Both ends as text: the server's for the report, ours for EHLO. */
static void name_ends(struct probe_link *link)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char text[NI_MAXHOST];

    memset(&address, 0, sizeof address);
    snprintf(link->peer, sizeof link->peer, "unknown");
    snprintf(link->own, sizeof link->own, "[127.0.0.1]");
    if (getpeername(link->fd, (struct sockaddr *)&address, &size) == 0 &&
        getnameinfo((struct sockaddr *)&address, size, text, sizeof text, NULL, 0,
                    NI_NUMERICHOST) == 0) {
        snprintf(link->peer, sizeof link->peer, "%.60s", text);
    }
    size = sizeof address;
    if (getsockname(link->fd, (struct sockaddr *)&address, &size) == 0 &&
        getnameinfo((struct sockaddr *)&address, size, text, sizeof text, NULL, 0,
                    NI_NUMERICHOST) == 0) {
        /* Who connects to an address of its own comes from there, loopback of IPv4 set aside. */
        link->same_host =
            strcmp(text, link->peer) == 0 || strncmp(link->peer, "127.", strlen("127.")) == 0;
        text[strcspn(text, "%")] = '\0'; /* the scope of a link-local address is our affair */
        snprintf(link->own, sizeof link->own, "[%s%.40s]",
                 address.ss_family == AF_INET6 ? "IPv6:" : "", text);
    }
}

enum auth_status probe_link_open(struct probe_link *link, const char *host, const char *port,
                                 int64_t deadline, struct detail *detail)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    enum auth_status status = AUTH_UNAVAILABLE;

    *link = (struct probe_link){.fd = -1};
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0) {
        return detail_set(detail, AUTH_UNAVAILABLE, "%s", gai_strerror(code));
    }
    for (const struct addrinfo *one = found; one != NULL && link->fd < 0; one = one->ai_next) {
        status = connect_one(one, deadline, &link->fd, detail);
    }
    freeaddrinfo(found);
    if (link->fd >= 0) {
        name_ends(link);
    }
    return status;
}

void probe_link_close(struct probe_link *link)
{
    probe_tls_free(link->tls);
    link->tls = NULL;
    if (link->fd >= 0) {
        close(link->fd);
        link->fd = -1;
    }
}

enum auth_status probe_link_secure(struct probe_link *link, const struct probe_tls_options *options,
                                   int64_t deadline, struct detail *detail)
{
    enum auth_status status = probe_tls_new(link->fd, options, &link->tls, detail);
    bool done = false;
    while (status == AUTH_OK && !done) {
        short wanted = 0;
        status = probe_tls_handshake(link->tls, &wanted, detail);
        done = status == AUTH_OK && wanted == 0;
        if (status == AUTH_OK && !done) {
            status = probe_wait(link->fd, wanted, deadline, detail);
        }
    }
    return status;
}

enum auth_status probe_link_read(struct probe_link *link, uint8_t *ret, size_t cap,
                                 int64_t deadline, size_t *ret_n, struct detail *detail)
{
    for (;;) {
        short wanted = POLLIN;
        enum auth_status status = AUTH_OK;
        if (link->tls != NULL) {
            status = probe_tls_read(link->tls, ret, cap, ret_n, &wanted, detail);
            if (status != AUTH_OK || wanted == 0) {
                return status;
            }
        } else {
            ssize_t n = recv(link->fd, ret, cap, 0);
            if (n >= 0) {
                *ret_n = (size_t)n;
                return AUTH_OK;
            }
            if (errno != EAGAIN && errno != EINTR) {
                return detail_set(detail, AUTH_UNAVAILABLE, "%s", strerror(errno));
            }
        }
        status = probe_wait(link->fd, wanted, deadline, detail);
        if (status != AUTH_OK) {
            return status;
        }
    }
}

enum auth_status probe_link_write(struct probe_link *link, struct slice bytes, int64_t deadline,
                                  struct detail *detail)
{
    while (bytes.n > 0) {
        short wanted = POLLOUT;
        enum auth_status status = AUTH_OK;
        size_t sent = 0;
        if (link->tls != NULL) {
            status = probe_tls_write(link->tls, bytes, &sent, &wanted, detail);
        } else {
            ssize_t n = send(link->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
            sent = n > 0 ? (size_t)n : 0;
            if (n < 0 && errno != EAGAIN && errno != EINTR) {
                status = detail_set(detail, AUTH_UNAVAILABLE, "%s", strerror(errno));
            }
        }
        if (status == AUTH_OK && sent == 0) {
            status = probe_wait(link->fd, wanted, deadline, detail);
        }
        if (status != AUTH_OK) {
            return status;
        }
        bytes = slice_of(bytes.p + sent, bytes.n - sent);
    }
    return AUTH_OK;
}
