/*
 * test_memory.c - the CA key is in the locked region and nowhere else: a process that signs is searched from
 * outside.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Belongs to the plain build: under a sanitizer there is no region.
 */
#include "agent/keeper/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/keeper/signer.h"
#include "tests/unit/unit.h"

static struct failure failure;

static void install(void)
{
    ck_assert_msg(memory_install(&failure) == 0, "%s", failure.reason);
    ck_assert_msg(signer_start(&failure) == 0, "%s", failure.reason);
    memory_begin_secret();
}

/* --- the search ------------------------------------------------------------------------------------------- */

enum { FRAGMENT = 16, NEEDLES_MAX = 64 };

/* Fragments of secret numbers, in the orders in which they may lie in memory: as bytes, as a little-endian number,
 * as 64-bit words of either kind in either order (a hash that is fed the private key, as for a nonce, swaps the
 * bytes of its words). */
static uint8_t needles[NEEDLES_MAX][FRAGMENT];
static size_t needle_count;

static void add_needle(const uint8_t *bytes)
{
    ck_assert_uint_lt(needle_count + 4, NEEDLES_MAX);
    memcpy(needles[needle_count++], bytes, FRAGMENT);
    for (int i = 0; i < FRAGMENT; i++) {
        needles[needle_count][i] = bytes[FRAGMENT - 1 - i];
        needles[needle_count + 1][i] = bytes[i / 8 * 8 + 7 - i % 8];
        needles[needle_count + 2][i] = bytes[(i + 8) % FRAGMENT];
    }
    needle_count += 3;
}

static void add_number(EVP_PKEY *key, const char *parameter)
{
    BIGNUM *number = NULL;
    uint8_t bytes[512];
    ck_assert_int_eq(EVP_PKEY_get_bn_param(key, parameter, &number), 1);
    int length = BN_bn2binpad(number, bytes, (BN_num_bytes(number) + 15) / 16 * 16);
    add_needle(bytes + length - 16); /* the lowest and the highest words but one: the highest may hold leading zeros */
    add_needle(bytes + length - 32);
    BN_free(number);
}

static void collect_needles(EVP_PKEY *key, const char *type)
{
    if (!strcmp(type, "ED25519")) {
        uint8_t seed[32];
        size_t length = sizeof seed;
        ck_assert_int_eq(EVP_PKEY_get_raw_private_key(key, seed, &length), 1);
        add_needle(seed);
        add_needle(seed + 16);
    } else if (!strncmp(type, "RSA", 3)) {
        add_number(key, OSSL_PKEY_PARAM_RSA_D);
        add_number(key, OSSL_PKEY_PARAM_RSA_FACTOR1);
        add_number(key, OSSL_PKEY_PARAM_RSA_FACTOR2);
        add_number(key, OSSL_PKEY_PARAM_RSA_EXPONENT1);
        add_number(key, OSSL_PKEY_PARAM_RSA_EXPONENT2);
    } else {
        add_number(key, OSSL_PKEY_PARAM_PRIV_KEY);
    }
}

struct report {
    const uint8_t *base;
    size_t locked;
};

/* Count the needles in one mapping, inside and outside of the region. */
static void search_mapping(int memory, uintptr_t start, uintptr_t end, const struct report *report, const char *name,
                           size_t *inside, size_t *outside)
{
    static uint8_t buffer[1 << 20];
    for (uintptr_t at = start; at < end; at += sizeof buffer - FRAGMENT) {
        size_t wanted = end - at < sizeof buffer ? end - at : sizeof buffer;
        ssize_t got = pread(memory, buffer, wanted, (off_t)at);
        if (got <= 0)
            return; /* [vvar] and the guard pages cannot be read */
        for (size_t i = 0; i < needle_count; i++) {
            const uint8_t *hit = memmem(buffer, (size_t)got, needles[i], FRAGMENT);
            if (!hit)
                continue;
            const uint8_t *address = (const uint8_t *)at + (hit - buffer);
            if (address >= report->base && address < report->base + MEMORY_REGION_SIZE) {
                ++*inside;
                ck_assert_msg(address < report->base + report->locked, "in the region, but where it is not locked");
            } else {
                ++*outside;
                fprintf(stderr, "needle %zu at %p in %s", i, (const void *)address, name);
            }
        }
    }
}

static void search(pid_t pid, const struct report *report, size_t *inside, size_t *outside)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int memory = open(path, O_RDONLY);
    ck_assert_msg(memory >= 0, "%s: %s", path, strerror(errno));
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        char mode[8];
        ck_assert_int_eq(sscanf(line, "%lx-%lx %7s", &start, &end, mode), 3);
        if (mode[0] == 'r')
            search_mapping(memory, start, end, report, line, inside, outside);
    }
    fclose(maps);
    close(memory);
}

/* --- the process that signs ------------------------------------------------------------------------------- */

__attribute__((noreturn)) static void sign_forever(int from, int to)
{
    struct signer *signer;
    uint8_t signature[SIGNATURE_MAX], data[300] = {1};
    size_t length = 0;
    install();
    ck_assert_int_eq(memory_lock_stack(&failure), 0);
    uint8_t *key = memory_allocate(PRIVATE_KEY_MAX);
    ssize_t size = read(from, key, PRIVATE_KEY_MAX);
    if (size <= 0 || signer_open(key, (size_t)size, &signer, &failure))
        _exit(1);
    memory_free(key);
    for (int i = 0; i < 100; i++) {
        data[0] = (uint8_t)i;
        if (signer_sign(signer, data, sizeof data, signature, &length, &failure))
            _exit(2);
    }
    memory_wipe_stack();
    const struct report report = {memory_base(), memory_locked()};
    if (write(to, &report, sizeof report) != sizeof report)
        _exit(3);
    for (;;)
        pause();
}

/* The key is made here, after the fork, so that it reaches the other process by the pipe alone. */
static void search_after_signatures(const char *type, size_t bits, const char *group, size_t locked_max)
{
    int down[2], up[2];
    struct report report;
    size_t inside = 0, outside = 0;
    ck_assert_int_eq(pipe(down) | pipe(up), 0);
    pid_t pid = fork();
    if (pid == 0)
        sign_forever(down[0], up[1]);
    close(up[1]);
    EVP_PKEY *key = bits    ? EVP_PKEY_Q_keygen(NULL, NULL, type, bits)
                    : group ? EVP_PKEY_Q_keygen(NULL, NULL, type, group)
                            : EVP_PKEY_Q_keygen(NULL, NULL, type);
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    uint8_t *der = NULL;
    int length = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    collect_needles(key, type);
    ck_assert_int_eq(write(down[1], der, (size_t)length), length);
    ck_assert_int_eq(read(up[0], &report, sizeof report), sizeof report);
    search(pid, &report, &inside, &outside);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    printf("%s %s %zu: %zu bytes locked after 100 signatures\n", type, group ? group : "", bits, report.locked);
    ck_assert_msg(inside > 0, "the key is not even where it must be: the search finds nothing");
    ck_assert_uint_eq(outside, 0);
    ck_assert_uint_le(report.locked, locked_max);
}

START_TEST(an_ec_key_is_in_locked_memory_alone)
{
    if (!KEEPER_SANITIZER)
        search_after_signatures("EC", 0, "P-256", 64 * 1024);
}
END_TEST

START_TEST(a_p384_key_is_in_locked_memory_alone)
{
    if (!KEEPER_SANITIZER)
        search_after_signatures("EC", 0, "P-384", 64 * 1024);
}
END_TEST

START_TEST(an_ed25519_key_is_in_locked_memory_alone)
{
    if (!KEEPER_SANITIZER)
        search_after_signatures("ED25519", 0, NULL, 64 * 1024);
}
END_TEST

START_TEST(an_rsa_key_is_in_locked_memory_alone)
{
    if (!KEEPER_SANITIZER)
        search_after_signatures("RSA", 3072, NULL, 1024 * 1024);
}
END_TEST

START_TEST(a_large_rsa_key_is_in_locked_memory_alone)
{
    if (!KEEPER_SANITIZER)
        search_after_signatures("RSA", 4096, NULL, 1024 * 1024);
}
END_TEST

/* --- the region ------------------------------------------------------------------------------------------- */

/* smaps says of each mapping what the kernel was told: lo locked, dd not dumped, wf wiped on fork. */
START_TEST(the_kernel_agrees_that_it_is_locked_and_not_dumped)
{
    char line[512];
    bool here = false;
    unsigned long first, last, start = 0, end = 0;
    size_t locked = 0, seen = 0;
    if (KEEPER_SANITIZER)
        return;
    install();
    ck_assert_ptr_nonnull(memory_allocate(100000));
    FILE *smaps = fopen("/proc/self/smaps", "r");
    while (fgets(line, sizeof line, smaps)) {
        if (sscanf(line, "%lx-%lx ", &first, &last) == 2) {
            start = first;
            end = last;
            here = memory_contains((void *)start);
        }
        if (!here || strncmp(line, "VmFlags:", 8))
            continue;
        seen += end - start;
        ck_assert_msg(strstr(line, " dd") && strstr(line, " wf"), "%s", line);
        if (strstr(line, " lo"))
            locked += end - start;
    }
    fclose(smaps);
    ck_assert_uint_ge(seen, MEMORY_REGION_SIZE);
    ck_assert_uint_eq(locked, memory_locked());
    ck_assert_uint_ge(locked, 100000);
}
END_TEST

START_TEST(a_child_finds_zeros)
{
    int status;
    if (KEEPER_SANITIZER)
        return;
    install();
    volatile uint8_t *block = memory_allocate(16);
    block[0] = 42;
    pid_t pid = fork();
    if (pid == 0)
        _exit(block[0]);
    waitpid(pid, &status, 0);
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert_int_eq(block[0], 42);
}
END_TEST

START_TEST(where_nothing_can_be_locked_nothing_is_held)
{
    const struct rlimit none = {0, 0};
    if (KEEPER_SANITIZER)
        return;
    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(setresuid(54321, 54321, 54321), 0); /* root may lock past any limit */
    ck_assert_int_eq(memory_install(&failure), -1);
    ck_assert_ptr_nonnull(strstr(failure.reason, "LimitMEMLOCK"));
    ck_assert_ptr_null(memory_base());
}
END_TEST

START_TEST(blocks_are_aligned_zeroed_and_wiped_when_freed)
{
    if (KEEPER_SANITIZER)
        return;
    install();
    for (size_t size = 1; size < 70000; size += size / 3 + 1) {
        uint8_t *block = memory_allocate(size);
        ck_assert(memory_contains(block) && memory_contains(block + size - 1));
        ck_assert_uint_eq((uintptr_t)block % 16, 0);
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(block[i], 0);
        memset(block, 0xaa, size);
        memory_free(block);
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(block[i], 0);
    }
}
END_TEST

START_TEST(what_is_freed_is_used_again)
{
    if (KEEPER_SANITIZER)
        return;
    install();
    size_t locked = 0;
    for (int round = 0; round < 1000; round++) {
        void *blocks[20];
        for (size_t i = 0; i < 20; i++)
            ck_assert_ptr_nonnull(blocks[i] = memory_allocate(i * 100 + 1));
        for (size_t i = 0; i < 20; i++)
            memory_free(blocks[i]);
        if (round == 0)
            locked = memory_locked();
    }
    ck_assert_uint_eq(memory_locked(), locked);
}
END_TEST

/* A frame of a call that has returned. */
static uintptr_t dead_frame;

__attribute__((noinline)) static void leave_something(void)
{
    volatile uint8_t frame[10000];
    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = 0xa5;
    dead_frame = (uintptr_t)frame;
}

START_TEST(what_calls_left_on_the_stack_is_wiped)
{
    size_t left = 0;
    if (KEEPER_SANITIZER)
        return;
    ck_assert_int_eq(memory_lock_stack(&failure), 0);
    leave_something();
    memory_wipe_stack();
    for (volatile const uint8_t *at = (uint8_t *)dead_frame; at < (uint8_t *)dead_frame + 10000; at++)
        left += *at == 0xa5;
    ck_assert_uint_lt(left, 100);
}
END_TEST

START_TEST(the_region_ends_and_says_so)
{
    if (KEEPER_SANITIZER)
        return;
    install();
    ck_assert_ptr_null(memory_allocate(MEMORY_REGION_SIZE));
    ck_assert_ptr_null(memory_allocate(SIZE_MAX));
    int blocks = 0;
    while (memory_allocate(100000))
        blocks++;
    ck_assert_int_gt(blocks, 10);
    ck_assert_uint_le(memory_locked(), MEMORY_REGION_SIZE);
}
END_TEST

/* libcrypto's blocks: from the ordinary heap until there are secrets, from the region afterwards, also those that
 * grow. */
START_TEST(libcrypto_moves_into_the_region)
{
    if (KEEPER_SANITIZER)
        return;
    ck_assert_int_eq(memory_install(&failure), 0);
    char *early = OPENSSL_malloc(10);
    ck_assert(!memory_contains(early));
    memcpy(early, "something", 10);
    memory_begin_secret();
    early = OPENSSL_realloc(early, 1000);
    ck_assert(memory_contains(early));
    ck_assert_str_eq(early, "something");
    char *grown = OPENSSL_realloc(early, 50000);
    ck_assert(memory_contains(grown));
    ck_assert_str_eq(grown, "something");
    ck_assert_uint_eq(early[0], 0);
    OPENSSL_free(grown);
    ck_assert_ptr_null(OPENSSL_malloc(0));
}
END_TEST

UNIT_MAIN("memory", an_ec_key_is_in_locked_memory_alone, a_p384_key_is_in_locked_memory_alone,
          an_ed25519_key_is_in_locked_memory_alone, an_rsa_key_is_in_locked_memory_alone,
          a_large_rsa_key_is_in_locked_memory_alone, the_kernel_agrees_that_it_is_locked_and_not_dumped,
          a_child_finds_zeros, where_nothing_can_be_locked_nothing_is_held,
          blocks_are_aligned_zeroed_and_wiped_when_freed, what_is_freed_is_used_again,
          what_calls_left_on_the_stack_is_wiped, the_region_ends_and_says_so, libcrypto_moves_into_the_region)
