/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tickets: X25519 (RFC 7748 6.1), the format and everything that is none, the file, which accounts
 * want one and what a password gives them.
 */
#include "store_fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/ticket_file.h"
#include "store/ticket_notes.h"

enum { AT_FORMAT = 16, AT_STORE_ID = 20, AT_PUBLIC_KEY = 36, AT_SEALED = 68 };

#define SHA256_HASH "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA"
#define DES_HASH "abNANd1rDfiNc" /* eight characters count */

static const struct identity alice = {"alice", "example.org"};

static void take_hex(const char *hex, uint8_t ret[CRYPTO_X25519])
{
    for (size_t i = 0; i < CRYPTO_X25519; i++) {
        unsigned byte = 0;

        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        ret[i] = (uint8_t)byte;
    }
}

static void known_exchange(void **state)
{
    uint8_t a[CRYPTO_X25519];
    uint8_t b[CRYPTO_X25519];
    uint8_t expected[CRYPTO_X25519];
    uint8_t public_a[CRYPTO_X25519];
    uint8_t public_b[CRYPTO_X25519];
    uint8_t shared[CRYPTO_X25519];

    (void)state;
    assert_int_equal(crypto_prepare_x25519(), AUTH_OK);
    assert_int_equal(crypto_prepare_x25519(), AUTH_OK);
    take_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", a);
    take_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", b);
    assert_int_equal(crypto_x25519_public(a, public_a), AUTH_OK);
    take_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", expected);
    assert_memory_equal(public_a, expected, sizeof expected);
    assert_int_equal(crypto_x25519_public(b, public_b), AUTH_OK);
    take_hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", expected);
    assert_memory_equal(public_b, expected, sizeof expected);
    take_hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", expected);
    assert_int_equal(crypto_x25519(a, public_b, shared), AUTH_OK);
    assert_memory_equal(shared, expected, sizeof expected);
    assert_int_equal(crypto_x25519(b, public_a, shared), AUTH_OK);
    assert_memory_equal(shared, expected, sizeof expected);
}

static void points_of_small_order(void **state)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    static const uint8_t zero[CRYPTO_X25519];
    uint8_t private_key[CRYPTO_X25519];
    uint8_t point[CRYPTO_X25519];
    uint8_t shared[CRYPTO_X25519];

    (void)state;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        take_hex(points[i], point);
        assert_int_equal(crypto_random(private_key, sizeof private_key), AUTH_OK);
        assert_int_equal(crypto_x25519(private_key, point, shared), AUTH_MALFORMED);
        assert_memory_equal(shared, zero, sizeof zero);
    }
}

static struct ticket_opener new_opener(void)
{
    struct ticket_opener opener;

    assert_int_equal(crypto_random(opener.private_key, sizeof opener.private_key), AUTH_OK);
    assert_int_equal(crypto_x25519_public(opener.private_key, opener.target.public_key), AUTH_OK);
    memset(opener.target.store_id, 7, sizeof opener.target.store_id);
    return opener;
}

/* Opens a copy in a block of exactly its size. */
static enum auth_status open_copy(const struct ticket_opener *opener, const uint8_t *bytes,
                                  struct ticket *ret)
{
    uint8_t *copy = malloc(TICKET_SIZE);

    assert_non_null(copy);
    memcpy(copy, bytes, TICKET_SIZE);
    enum auth_status status = ticket_open(opener, copy, ret);
    free(copy);
    return status;
}

static void round_trip(void **state)
{
    struct ticket_opener opener = new_opener();
    uint8_t bytes[TICKET_SIZE];
    uint8_t again[TICKET_SIZE];
    struct ticket ticket;
    struct identity longest;
    char password[IDENTITY_MAX_PASSWORD];

    (void)state;
    assert_int_equal(ticket_seal(&opener.target, &alice, slice_str("a b:c$"), bytes), AUTH_OK);
    assert_int_equal(ticket_seal(&opener.target, &alice, slice_str("a b:c$"), again), AUTH_OK);
    assert_memory_not_equal(bytes + AT_PUBLIC_KEY, again + AT_PUBLIC_KEY, CRYPTO_X25519);
    assert_memory_not_equal(bytes + AT_SEALED, again + AT_SEALED, TICKET_SIZE - AT_SEALED);
    assert_int_equal(open_copy(&opener, bytes, &ticket), AUTH_OK);
    assert_string_equal(ticket.who.user, "alice");
    assert_string_equal(ticket.who.realm, "example.org");
    assert_true(slice_equal_str(slice_of(ticket.password, ticket.n_password), "a b:c$"));

    memset(&longest, 'x', sizeof longest);
    longest.user[IDENTITY_MAX_USER] = '\0';
    longest.realm[IDENTITY_MAX_REALM] = '\0';
    memset(password, 'p', sizeof password);
    assert_int_equal(
        ticket_seal(&opener.target, &longest, slice_of(password, sizeof password), bytes), AUTH_OK);
    assert_int_equal(open_copy(&opener, bytes, &ticket), AUTH_OK);
    assert_int_equal(ticket.n_password, sizeof password);
    assert_string_equal(ticket.who.user, longest.user);
}

static void what_cannot_be_sealed(void **state)
{
    struct ticket_opener opener = new_opener();
    uint8_t bytes[TICKET_SIZE];
    char password[IDENTITY_MAX_PASSWORD + 1];

    (void)state;
    memset(password, 'p', sizeof password);
    assert_int_equal(ticket_seal(&opener.target, &alice, slice_of(password, 0), bytes),
                     AUTH_TOO_LONG);
    assert_int_equal(
        ticket_seal(&opener.target, &alice, slice_of(password, sizeof password), bytes),
        AUTH_TOO_LONG);
    memset(opener.target.public_key, 0, CRYPTO_X25519);
    assert_int_equal(ticket_seal(&opener.target, &alice, slice_str("x"), bytes), AUTH_MALFORMED);
}

/* A name the store cannot hold, or a password with a NUL, is not what a server seals. */
static void sealed_nonsense(void **state)
{
    static const struct identity names[] = {
        {"", "example.org"},
        {"alice", ""},
        {"al@ice", "example.org"},
        {"alice", "EXAMPLE.org"},
        {"al\nice", "a.example"},
        {"alice", "exam ple"},
        {"al\xff"
         "ice",
         "a.example"},
    };
    struct ticket_opener opener = new_opener();
    uint8_t bytes[TICKET_SIZE];
    struct ticket ticket;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(ticket_seal(&opener.target, &names[i], slice_str("x"), bytes), AUTH_OK);
        assert_int_equal(open_copy(&opener, bytes, &ticket), AUTH_STORE_DAMAGED);
        assert_int_equal(ticket.who.user[0], 0);
    }
    assert_int_equal(ticket_seal(&opener.target, &alice, slice_of("a\0b", 3), bytes), AUTH_OK);
    assert_int_equal(open_copy(&opener, bytes, &ticket), AUTH_STORE_DAMAGED);
}

static void every_flipped_bit(void **state)
{
    struct ticket_opener opener = new_opener();
    uint8_t bytes[TICKET_SIZE];
    struct ticket ticket;

    (void)state;
    assert_int_equal(ticket_seal(&opener.target, &alice, slice_str("secret"), bytes), AUTH_OK);
    for (size_t i = 0; i < TICKET_SIZE; i++) {
        bytes[i] ^= (uint8_t)(1U << (i % 8));
        enum auth_status status = open_copy(&opener, bytes, &ticket);
        /* The last bit of a public key is ignored by the arithmetic, not by the seal. */
        assert_int_equal(status, i < AT_PUBLIC_KEY ? AUTH_STORE_FOREIGN : AUTH_STORE_DAMAGED);
        assert_int_equal(ticket.n_password, 0);
        bytes[i] ^= (uint8_t)(1U << (i % 8));
    }
    bytes[AT_SEALED - 1] ^= 0x80;
    assert_int_equal(open_copy(&opener, bytes, &ticket), AUTH_STORE_DAMAGED);
    bytes[AT_SEALED - 1] ^= 0x80;
    assert_int_equal(open_copy(&opener, bytes, &ticket), AUTH_OK);
}

static void other_keys_and_stores(void **state)
{
    struct ticket_opener opener = new_opener();
    struct ticket_opener other = new_opener();
    uint8_t bytes[TICKET_SIZE];
    struct ticket ticket;

    (void)state;
    assert_int_equal(ticket_seal(&opener.target, &alice, slice_str("secret"), bytes), AUTH_OK);
    assert_int_equal(open_copy(&other, bytes, &ticket), AUTH_STORE_DAMAGED);
    memcpy(other.private_key, opener.private_key, sizeof other.private_key);
    assert_int_equal(open_copy(&other, bytes, &ticket), AUTH_STORE_DAMAGED);
    other = opener;
    other.target.store_id[15] ^= 1;
    assert_int_equal(open_copy(&other, bytes, &ticket), AUTH_STORE_FOREIGN);
    /* Its id in the header changed too: what has been sealed does not fit. */
    bytes[AT_STORE_ID + 15] ^= 1;
    assert_int_equal(open_copy(&other, bytes, &ticket), AUTH_STORE_DAMAGED);
}

static void finding(void **state)
{
    struct ticket_opener opener = new_opener();
    enum { BEFORE = 37 };
    uint8_t *bytes = malloc(BEFORE + TICKET_SIZE);
    struct slice rest;

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 's', BEFORE);
    assert_int_equal(ticket_seal(&opener.target, &alice, slice_str("secret"), bytes + BEFORE),
                     AUTH_OK);
    rest = slice_of(bytes, BEFORE + TICKET_SIZE);
    assert_true(ticket_find(&rest));
    assert_ptr_equal(rest.p, bytes + BEFORE);
    assert_int_equal(rest.n, TICKET_SIZE);
    /* One byte short is none. */
    rest = slice_of(bytes, BEFORE + TICKET_SIZE - 1);
    assert_false(ticket_find(&rest));
    rest = slice_of(NULL, 0);
    assert_false(ticket_find(&rest));
    rest = slice_of(bytes, BEFORE);
    assert_false(ticket_find(&rest));
    free(bytes);
}

/* The path of the fixture's ticket file. */
static const char *tickets_of(const struct fixture *f)
{
    static char path[FIXTURE_PATH + 32];

    (void)snprintf(path, sizeof path, "%s" TICKET_FILE_SUFFIX, f->path);
    return path;
}

static void appending_and_emptying(void **state)
{
    struct fixture *f = *state;
    struct ticket_file in;
    struct ticket_file out;
    uint8_t bytes[TICKET_SIZE];
    uint8_t *read = NULL;
    size_t n = 0;
    bool made = false;
    bool empty = false;

    fixture_create(f);
    memset(bytes, 'x', sizeof bytes);
    assert_status(f, ticket_file_open_append(f->path, &in, &f->detail), AUTH_STORE_MISSING);
    assert_int_equal(in.fd, -1);
    assert_status(f, ticket_file_make(f->path, (uid_t)-1, &made, &f->detail), AUTH_OK);
    assert_true(made);
    assert_status(f, ticket_file_make(f->path, (uid_t)-1, &made, &f->detail), AUTH_OK);
    assert_false(made);
    assert_status(f, ticket_file_open_append(f->path, &in, &f->detail), AUTH_OK);
    assert_status(f, ticket_file_open_take(f->path, &out, &f->detail), AUTH_OK);
    assert_int_equal(ticket_file_append(&in, bytes), AUTH_OK);
    assert_int_equal(ticket_file_append(&in, bytes), AUTH_OK);
    assert_status(f, ticket_file_read(&out, &read, &n, &f->detail), AUTH_OK);
    assert_int_equal(n, 2 * TICKET_SIZE);
    assert_int_equal(read[n - 1], 'x');
    free(read);
    assert_status(f, ticket_file_wipe(&out, 1, 2 * TICKET_SIZE - 2, &f->detail), AUTH_OK);
    assert_status(f, ticket_file_read(&out, &read, &n, &f->detail), AUTH_OK);
    assert_int_equal(n, 2 * TICKET_SIZE);
    assert_true(read[0] == 'x' && read[1] == 0 && read[n - 2] == 0 && read[n - 1] == 'x');
    free(read);
    /* Longer than what has been dealt with: nothing is taken away. */
    assert_status(f, ticket_file_empty(&out, n - 1, &empty, &f->detail), AUTH_OK);
    assert_false(empty);
    assert_status(f, ticket_file_empty(&out, n, &empty, &f->detail), AUTH_OK);
    assert_true(empty);
    assert_int_equal(ticket_file_append(&in, bytes), AUTH_OK);
    assert_int_equal(lseek(out.fd, 0, SEEK_END), TICKET_SIZE);
    assert_int_equal(ftruncate(out.fd, TICKET_FILE_MAX), 0);
    assert_int_equal(ticket_file_append(&in, bytes), AUTH_STORE_FULL);
    assert_int_equal(unlink(tickets_of(f)), 0);
    assert_int_equal(ticket_file_append(&in, bytes), AUTH_UNAVAILABLE);
    ticket_file_close(&in);
    ticket_file_close(&in);
    ticket_file_close(&out);
}

/* What happens while a server is at its write(), or the tool at emptying the file. */
static struct {
    const char *store_path;
    struct ticket_file *inherited;
    int empties; /* -1: nothing happens */
    enum auth_status left;
} meanwhile = {.empties = -1};

/* In a process of its own, as locks are. Returns what run() does. */
static int in_a_child(int (*run)(void))
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        _exit(run());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int leave_one(void)
{
    static const uint8_t bytes[TICKET_SIZE] = {1};

    return (int)ticket_file_append(meanwhile.inherited, bytes);
}

static int empty_it(void)
{
    struct ticket_file file;
    bool empty = false;

    if (ticket_file_open_take(meanwhile.store_path, &file, NULL) != AUTH_OK ||
        ticket_file_empty(&file, TICKET_FILE_MAX, &empty, NULL) != AUTH_OK) {
        return 2;
    }
    return empty;
}

/* In place of libc's. */
ssize_t write(int fd, const void *bytes, size_t n)
{
    if (meanwhile.empties == 0) {
        meanwhile.empties = -1;
        /* A child leaves a ticket through the descriptor it has inherited and is done... */
        meanwhile.left = (enum auth_status)in_a_child(leave_one);
        /* ...but its parent is not, and the file has to wait for it. */
        meanwhile.empties = in_a_child(empty_it);
    }
    return (ssize_t)syscall(SYS_write, fd, bytes, n);
}

int ftruncate(int fd, off_t n)
{
    if (meanwhile.inherited != NULL && meanwhile.empties == -1) {
        meanwhile.left = (enum auth_status)in_a_child(leave_one);
    }
    return (int)syscall(SYS_ftruncate, fd, n);
}

static void children_and_the_lock(void **state)
{
    struct fixture *f = *state;
    struct ticket_file file;
    struct ticket_file out;
    uint8_t bytes[TICKET_SIZE] = {2};
    bool empty = false;

    fixture_create(f);
    assert_status(f, ticket_file_make(f->path, (uid_t)-1, NULL, &f->detail), AUTH_OK);
    assert_status(f, ticket_file_open_append(f->path, &file, &f->detail), AUTH_OK);
    meanwhile.store_path = f->path;
    meanwhile.inherited = &file;
    meanwhile.empties = 0;
    assert_int_equal(ticket_file_append(&file, bytes), AUTH_OK);
    assert_int_equal(meanwhile.left, AUTH_OK);
    assert_int_equal(meanwhile.empties, 0);
    meanwhile.empties = -1;
    assert_status(f, ticket_file_open_take(f->path, &out, &f->detail), AUTH_OK);
    assert_int_equal(lseek(out.fd, 0, SEEK_END), 2 * TICKET_SIZE);
    /* Nobody leaves one while the file is emptied. */
    assert_status(f, ticket_file_empty(&out, 2 * TICKET_SIZE, &empty, &f->detail), AUTH_OK);
    assert_true(empty);
    assert_int_equal(meanwhile.left, AUTH_STORE_BUSY);
    meanwhile.inherited = NULL;
    ticket_file_close(&file);
    ticket_file_close(&out);
    assert_int_equal(unlink(tickets_of(f)), 0);
}

/* An account that logs in again and again leaves one ticket; the memory of that is bounded. */
static void notes(void **state)
{
    static struct ticket_notes kept;
    static struct ticket_notes others;
    struct ticket_target target = {.version = {1}};
    uint8_t note[TICKET_NOTE];
    uint8_t again[TICKET_NOTE];

    (void)state;
    assert_int_equal(ticket_notes_make(&kept, &target, &alice, note), AUTH_OK);
    assert_false(ticket_notes_has(&kept, note));
    ticket_notes_add(&kept, note);
    assert_int_equal(ticket_notes_make(&kept, &target, &alice, again), AUTH_OK);
    assert_true(ticket_notes_has(&kept, again));
    /* Another state of the account, another account, and whoever has another key. */
    target.version[0] = 2;
    assert_int_equal(ticket_notes_make(&kept, &target, &alice, again), AUTH_OK);
    assert_false(ticket_notes_has(&kept, again));
    target.version[0] = 1;
    target.public_key[31] ^= 1;
    assert_int_equal(ticket_notes_make(&kept, &target, &alice, again), AUTH_OK);
    assert_false(ticket_notes_has(&kept, again));
    target.public_key[31] ^= 1;
    struct identity other = {"alic", "eexample.org"};
    assert_int_equal(ticket_notes_make(&kept, &target, &other, again), AUTH_OK);
    assert_false(ticket_notes_has(&kept, again));
    assert_int_equal(ticket_notes_make(&others, &target, &alice, again), AUTH_OK);
    assert_memory_not_equal(note, again, sizeof note);
    for (unsigned i = 1; i < TICKET_NOTES; i++) {
        memcpy(again, &i, sizeof i);
        ticket_notes_add(&kept, again);
        assert_true(ticket_notes_has(&kept, note) && ticket_notes_has(&kept, again));
    }
    ticket_notes_add(&kept, again);
    assert_false(ticket_notes_has(&kept, note));
    assert_int_equal(kept.n, TICKET_NOTES);
    ticket_notes_forget(&kept);
    assert_false(ticket_notes_has(&kept, again));
}

/* A host that closes what is not its own: the number may be a client's connection by now. */
static void somebody_elses_descriptor(void **state)
{
    struct fixture *f = *state;
    struct ticket_file file;
    uint8_t bytes[TICKET_SIZE] = {0};
    char path[FIXTURE_PATH + 16];

    fixture_create(f);
    assert_status(f, ticket_file_make(f->path, (uid_t)-1, NULL, &f->detail), AUTH_OK);
    assert_status(f, ticket_file_open_append(f->path, &file, &f->detail), AUTH_OK);
    (void)snprintf(path, sizeof path, "%s/mail", f->dir);
    int other = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(other >= 0);
    int fd = file.fd;
    assert_int_equal(dup2(other, fd), fd);
    assert_int_equal(ticket_file_append(&file, bytes), AUTH_UNAVAILABLE);
    assert_int_equal(file.fd, -1);
    assert_int_equal(lseek(other, 0, SEEK_END), 0);
    assert_int_equal(ticket_file_append(&file, bytes), AUTH_UNAVAILABLE);
    close(fd);
    close(other);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(tickets_of(f)), 0);
}

static void who_wants_one(void **state)
{
    struct fixture *f = *state;
    uint8_t key[CRYPTO_X25519];
    struct store_answer answer;
    struct store_info info;
    struct record record = {.who = {"carl", "example.org"}};

    fixture_create(f);
    struct store *store = fixture_open(f, true);
    fixture_add(store, "alice", "example.org", 1);
    memcpy(record.verifiers.crypt, SHA256_HASH, sizeof SHA256_HASH);
    assert_status(f, store_write_batch(store, &record, 1, NULL, &f->detail), AUTH_OK);
    assert_status(f, store_lookup(store, &record.who, 0, 0, &answer, &f->detail), AUTH_OK);
    assert_false(answer.wants_ticket);

    memset(key, 9, sizeof key);
    assert_status(f, store_set_ticket_key(store, key, &f->detail), AUTH_OK);
    assert_status(f, store_describe(store, &info, &f->detail), AUTH_OK);
    assert_true(info.have_ticket_key);
    assert_memory_equal(info.ticket_key, key, sizeof key);
    assert_int_equal(info.accounts, 2);
    assert_status(f, store_lookup(store, &record.who, 0, 0, &answer, &f->detail), AUTH_OK);
    assert_true(answer.wants_ticket);
    assert_memory_equal(answer.target.public_key, key, sizeof key);
    assert_memory_equal(answer.target.store_id, info.store_id, sizeof info.store_id);
    assert_status(f, store_lookup(store, &alice, 0, 0, &answer, &f->detail), AUTH_OK);
    assert_false(answer.wants_ticket);
    (void)snprintf(record.who.user, sizeof record.who.user, "nobody");
    assert_status(f, store_lookup(store, &record.who, 0, 0, &answer, &f->detail), AUTH_OK);
    assert_int_equal(answer.verdict, AUTH_UNKNOWN_USER);
    assert_false(answer.wants_ticket);
    store_close(store);

    store = fixture_open(f, false);
    assert_status(f, store_set_ticket_key(store, key, &f->detail), AUTH_STORE_READONLY);
    store_close(store);
}

/* How much of a password a hash of crypt(3) depends on. */
static void what_a_hash_covers(void **state)
{
    static const struct {
        const char *hash;
        size_t up_to; /* bytes; 0: none, whatever the password */
    } cases[] = {{DES_HASH, 0},       {"_J9..saltXXXXXXXXXXX", 0},
                 {"$2x$05$", 0},      {"$2b$05$", 71},
                 {"$2y$05$", 71},     {"$2a$05$", 71},
                 {SHA256_HASH, 1000}, {"$y$j9T$", 1000}};
    static const uint8_t password[1000];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct verifier_set set = {.n_digest = 0};

        memcpy(set.crypt, cases[i].hash, strlen(cases[i].hash) + 1);
        for (size_t n = 1; n <= sizeof password; n++) {
            assert_int_equal(verifier_crypt_covers(&set, slice_of(password, n)),
                             n <= cases[i].up_to);
        }
    }
}

static void what_is_missing(void **state)
{
    struct verifier_set set = {.n_digest = 0};
    struct verifier_set made;
    const struct verifier_policy policy = {.kinds = VERIFIER_DEFAULT,
                                           .iterations = VERIFIER_MIN_ITERATIONS};

    (void)state;
    assert_int_equal(verifier_missing(&set, VERIFIER_DEFAULT), 0);
    set.has_cram = true;
    assert_int_equal(verifier_missing(&set, VERIFIER_DEFAULT), 0);
    memcpy(set.crypt, DES_HASH, sizeof DES_HASH);
    assert_int_equal(verifier_missing(&set, VERIFIER_DEFAULT), 0);
    memcpy(set.crypt, "$2x$05$", sizeof "$2x$05$");
    assert_int_equal(verifier_missing(&set, VERIFIER_DEFAULT), 0);
    memcpy(set.crypt, SHA256_HASH, sizeof SHA256_HASH);
    assert_int_equal(verifier_missing(&set, VERIFIER_DEFAULT),
                     VERIFIER_DEFAULT & ~(unsigned)VERIFIER_CRAM_MD5);
    assert_int_equal(verifier_missing(&set, VERIFIER_CRAM_MD5), 0);

    assert_int_equal(verifier_make(&alice, slice_str("secret"), &policy, &made), AUTH_OK);
    /* Without SCRAM to check PLAIN against, the hash has to stay. */
    verifier_add(&set, &made, VERIFIER_DIGEST_MD5 | VERIFIER_CHECKPASS_MD5);
    assert_int_equal(verifier_kinds(&set), VERIFIER_LEGACY | VERIFIER_CRYPT);
    assert_int_equal(set.n_digest, made.n_digest);
    assert_memory_not_equal(set.cram, made.cram, sizeof set.cram);
    verifier_add(&set, &made, VERIFIER_SCRAM_SHA_1 | VERIFIER_CRAM_MD5);
    assert_int_equal(verifier_kinds(&set), VERIFIER_LEGACY | VERIFIER_SCRAM_SHA_1);
    assert_memory_equal(set.cram, made.cram, sizeof set.cram);
    assert_int_equal(set.crypt[0], 0);

    const unsigned strong = VERIFIER_SCRAM_SHA_256 | VERIFIER_SCRAM_SHA_512;
    verifier_drop(&set, VERIFIER_LEGACY);
    assert_int_equal(verifier_missing(&set, VERIFIER_DEFAULT), strong);
    verifier_add(&set, &made, strong);
    verifier_drop(&set, VERIFIER_SCRAM_SHA_1);
    assert_int_equal(verifier_missing(&set, VERIFIER_DEFAULT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_exchange),
        cmocka_unit_test(points_of_small_order),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(what_cannot_be_sealed),
        cmocka_unit_test(sealed_nonsense),
        cmocka_unit_test(every_flipped_bit),
        cmocka_unit_test(other_keys_and_stores),
        cmocka_unit_test(finding),
        cmocka_unit_test_setup_teardown(appending_and_emptying, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(children_and_the_lock, fixture_setup, fixture_teardown),
        cmocka_unit_test(notes),
        cmocka_unit_test_setup_teardown(somebody_elses_descriptor, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(who_wants_one, fixture_setup, fixture_teardown),
        cmocka_unit_test(what_a_hash_covers),
        cmocka_unit_test(what_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
