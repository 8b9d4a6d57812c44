/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into the probe: every server seems to be at 192.0.2.1 (RFC 5737), not on this machine,
 * so that a test on loopback shows what a probe from outside says.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* getpeername(2), as the C library declares it but for its attributes. */
int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict size)
{
    const struct sockaddr_in far = {
        .sin_family = AF_INET,
        .sin_port = htons(587),
        .sin_addr.s_addr = htonl(0xc0000201),
    };

    (void)fd;
    memcpy(address, &far, *size < sizeof(far) ? *size : sizeof(far));
    *size = sizeof(far);
    return 0;
}
