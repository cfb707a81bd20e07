/*
 * table.h - series of rounds, their median and spread, and the table that make bench prints.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_TESTS_BENCH_TABLE_H
#define MTLSD_TESTS_BENCH_TABLE_H

#include <stdbool.h>

enum { ROUNDS = 7 };

struct series {
    double values[64];
    int count;
};

void series_add(struct series *series, double value);
double series_median(const struct series *series);

void table_head(void);
/* A figure with its aim: at least (more_is_better) or at most. */
void table_row(const char *name, const struct series *series, double aim, bool more_is_better);
/* A figure for information. */
void table_note(const char *name, const struct series *series);

#endif
