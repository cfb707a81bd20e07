/*
 * test_refusals.c - refused changes in the audit trail: ten a minute for each uid, the rest as one sum.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/refusals.h"

#include <jansson.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { MINUTE = 60 };

static struct peer peer;
static struct request request = {.peer = &peer};

static struct refusals *begin(uid_t uid)
{
    peer = (struct peer){.uid = uid, .pid = 1, .pidfd = -1};
    return refusals_new();
}

/* Note one; returns how many records are to be written, and frees them. *sum is what the sum of before says, "" where there is none. */
static size_t note(struct refusals *refusals, int64_t now, char sum[static 200])
{
    size_t count = 0;
    sum[0] = '\0';
    struct commit *list = refusals_note(refusals, &request, now, strdup("{\"outcome\":\"refused\"}"));
    for (struct commit *next; list; list = next, count++) {
        next = list->next;
        ck_assert_ptr_null(list->owner); /* nobody waits for it */
        ck_assert_uint_eq(list->change_count, 0);
        json_t *body = json_loads(list->audit, 0, NULL);
        ck_assert_ptr_nonnull(body);
        const char *operation = json_string_value(json_object_get(body, "operation"));
        if (operation && !strcmp(operation, "refusals"))
            snprintf(sum, 200, "%s", json_string_value(json_object_get(body, "reason")));
        json_decref(body);
        refusals_commit_free(list);
    }
    return count;
}

START_TEST(ten_a_minute_are_written)
{
    struct refusals *refusals = begin(1001);
    char sum[200];
    for (int i = 0; i < REFUSALS_PER_MINUTE; i++)
        ck_assert_uint_eq(note(refusals, 600 + i, sum), 1);
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(note(refusals, 659, sum), 0);
    refusals_free(refusals);
}
END_TEST

START_TEST(the_rest_is_told_as_a_sum_with_the_next_one)
{
    struct refusals *refusals = begin(1001);
    char sum[200];
    for (int i = 0; i < REFUSALS_PER_MINUTE + 25; i++)
        note(refusals, 600, sum);
    ck_assert_uint_eq(note(refusals, 600 + MINUTE, sum), 2);
    ck_assert_msg(!strncmp(sum, "25 ", 3), "%s", sum);
    ck_assert_uint_eq(note(refusals, 600 + MINUTE, sum), 1); /* said once */
    ck_assert_str_eq(sum, "");
    refusals_free(refusals);
}
END_TEST

START_TEST(a_minute_with_room_needs_no_sum)
{
    struct refusals *refusals = begin(1001);
    char sum[200];
    for (int minute = 0; minute < 5; minute++)
        for (int i = 0; i < REFUSALS_PER_MINUTE; i++) {
            ck_assert_uint_eq(note(refusals, 600 + minute * MINUTE, sum), 1);
            ck_assert_str_eq(sum, "");
        }
    refusals_free(refusals);
}
END_TEST

START_TEST(one_uid_does_not_use_up_another_ones)
{
    struct refusals *refusals = begin(1001);
    char sum[200];
    for (int i = 0; i < 100; i++)
        note(refusals, 600, sum);
    peer.uid = 1002;
    ck_assert_uint_eq(note(refusals, 600, sum), 1);
    refusals_free(refusals);
}
END_TEST

/* A clock that is set back begins another minute; it does not silence anybody. */
START_TEST(a_clock_that_steps_back_is_another_minute)
{
    struct refusals *refusals = begin(0);
    char sum[200];
    for (int i = 0; i < REFUSALS_PER_MINUTE; i++)
        note(refusals, 6000, sum);
    ck_assert_uint_eq(note(refusals, 6000, sum), 0);
    ck_assert_uint_eq(note(refusals, 600, sum), 2);
    refusals_free(refusals);
}
END_TEST

START_TEST(a_record_that_could_not_be_made_is_no_commit)
{
    struct refusals *refusals = begin(1001);
    ck_assert_ptr_null(refusals_note(refusals, &request, 600, NULL));
    refusals_free(refusals);
    refusals_free(NULL);
}
END_TEST

UNIT_MAIN("refusals", ten_a_minute_are_written, the_rest_is_told_as_a_sum_with_the_next_one, a_minute_with_room_needs_no_sum,
          one_uid_does_not_use_up_another_ones, a_clock_that_steps_back_is_another_minute, a_record_that_could_not_be_made_is_no_commit)
