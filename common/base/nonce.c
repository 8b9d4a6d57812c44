/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/nonce.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crypto.h"

enum { SUPPLY = 480 };

/* In its page. A child finds zeros: nothing left. */
struct supply {
    size_t left; /* bytes not handed out yet, at the end */
    uint8_t bytes[SUPPLY];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct supply *supply; /* NULL: not to be had */

static void make_supply(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        return;
    }
    if (madvise(p, page, MADV_WIPEONFORK) != 0) {
        munmap(p, page);
        return;
    }
    (void)madvise(p, page, MADV_DONTDUMP);
    supply = p;
}

/* With the lock held. */
static enum auth_status take(uint8_t *ret, size_t n)
{
    enum auth_status status = AUTH_OK;

    if (supply->left < n) {
        supply->left = 0;
        status = crypto_random(supply->bytes, SUPPLY);
        supply->left = status == AUTH_OK ? SUPPLY : 0;
    }
    if (status == AUTH_OK) {
        uint8_t *at = supply->bytes + SUPPLY - supply->left;

        memcpy(ret, at, n);
        crypto_wipe(at, n);
        supply->left -= n;
    }
    return status;
}

enum auth_status nonce_draw(uint8_t *ret, size_t n)
{
    /*
     * Not waited for: in a child made while a thread of the parent was here, nobody would ever
     * let go of it.
     */
    if (n > SUPPLY || pthread_once(&once, make_supply) != 0 || supply == NULL ||
        pthread_mutex_trylock(&lock) != 0) {
        return crypto_random(ret, n);
    }
    enum auth_status status = take(ret, n);
    pthread_mutex_unlock(&lock);
    return status;
}
