/*
 * test_arena.c - the memory of one request: zeroed, aligned, of any size, and gone as a whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/arena.h"
#include "tests/unit/unit.h"

START_TEST(memory_is_zeroed_and_aligned_for_anything)
{
    struct arena arena;
    arena_init(&arena);
    for (size_t size = 0; size < 300; size++) {
        uint8_t *memory = arena_new(&arena, size);
        ck_assert_uint_eq((uintptr_t)memory % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            ck_assert_uint_eq(memory[i], 0);
        memset(memory, 0xff, size); /* what comes next must not show it */
    }
    arena_free(&arena);
}
END_TEST

START_TEST(memory_used_before_comes_back_zeroed)
{
    struct arena arena;
    for (int round = 0; round < 3; round++) {
        arena_init(&arena);
        uint8_t *memory = arena_new(&arena, 3000);
        for (size_t i = 0; i < 3000; i++)
            ck_assert_uint_eq(memory[i], 0);
        memset(memory, 0xa5, 3000);
        arena_free(&arena);
    }
}
END_TEST

START_TEST(large_pieces_stand_beside_small_ones)
{
    struct arena arena;
    arena_init(&arena);
    char *small = arena_copy(&arena, "small", 6);
    uint8_t *large = arena_new(&arena, 8 * 1024 * 1024);
    large[0] = large[8 * 1024 * 1024 - 1] = 1;
    const char *after = arena_text(&arena, "after");
    ck_assert_str_eq(small, "small");
    ck_assert_str_eq(after, "after");
    arena_free(&arena);
}
END_TEST

START_TEST(texts_are_copies_and_none_stays_none)
{
    struct arena arena;
    char original[] = "alice";
    arena_init(&arena);
    const char *copy = arena_text(&arena, original);
    original[0] = 'A';
    ck_assert_str_eq(copy, "alice");
    ck_assert_ptr_null(arena_text(&arena, NULL));
    ck_assert_str_eq(arena_text(&arena, ""), "");
    ck_assert_ptr_nonnull(arena_copy(&arena, NULL, 0));
    arena_free(&arena);
}
END_TEST

START_TEST(formatted_texts_have_any_length)
{
    struct arena arena;
    char longer[5000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    arena_init(&arena);
    ck_assert_str_eq(arena_format(&arena, "serial %s of %d", "0a1b", 7), "serial 0a1b of 7");
    ck_assert_str_eq(arena_format(&arena, "%s", ""), "");
    const char *text = arena_format(&arena, "<%s>", longer);
    ck_assert_uint_eq(strlen(text), sizeof longer + 1);
    ck_assert_int_eq(text[sizeof longer], '>');
    arena_free(&arena);
}
END_TEST

START_TEST(arrays_are_counted)
{
    struct arena arena;
    arena_init(&arena);
    uint64_t *numbers = arena_array(&arena, 100, sizeof *numbers);
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(numbers[i], 0);
    ck_assert_ptr_nonnull(arena_array(&arena, 0, sizeof *numbers));
    arena_free(&arena);
}
END_TEST

/* Returns the wait status of a process that asks for `count` times `size`. */
static int ask_for(size_t count, size_t size)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        struct arena arena;
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        arena_init(&arena);
        _exit(arena_array(&arena, count, size) ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

/* A count that wraps must never become a small piece of memory. */
START_TEST(what_can_never_be_ends_the_process)
{
    const struct { size_t count, size; } impossible[] = {{SIZE_MAX, 2}, {SIZE_MAX / 2 + 2, 2}, {1, (size_t)1 << 40}, {(size_t)1 << 33, 8}};
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        int status = ask_for(impossible[i].count, impossible[i].size);
        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%zu * %zu: wait status %#x", impossible[i].count,
                      impossible[i].size, (unsigned)status);
    }
    ck_assert_int_eq(ask_for(10, 10), 0);
}
END_TEST

UNIT_MAIN("arena", memory_is_zeroed_and_aligned_for_anything, memory_used_before_comes_back_zeroed, large_pieces_stand_beside_small_ones,
          texts_are_copies_and_none_stays_none, formatted_texts_have_any_length, arrays_are_counted, what_can_never_be_ends_the_process)
