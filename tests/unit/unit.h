/*
 * unit.h - the main of every unit test program: one Check suite, TAP on request.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A test file defines its cases with START_TEST and ends with UNIT_MAIN("name", case, case, ...).
 * Each case runs in a process of its own (Check's default), with a limit of 60 seconds.
 */
#ifndef MTLSD_TESTS_UNIT_UNIT_H
#define MTLSD_TESTS_UNIT_UNIT_H

#include <check.h>
#include <stdlib.h>

#define UNIT_MAIN(name, ...)                                                   \
    int main(void)                                                             \
    {                                                                          \
        const TTest *const cases[] = {__VA_ARGS__};                            \
        Suite *suite = suite_create(name);                                     \
        TCase *all = tcase_create(name);                                       \
        tcase_set_timeout(all, 60);                                            \
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)            \
            tcase_add_test(all, cases[i]);                                     \
        suite_add_tcase(suite, all);                                           \
        SRunner *runner = srunner_create(suite);                               \
        srunner_run_all(runner, CK_ENV);                                       \
        int failed = srunner_ntests_failed(runner);                            \
        srunner_free(runner);                                                  \
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;                           \
    }

#endif
