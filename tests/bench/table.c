/*
 * table.c - series of rounds, their median and spread, and the table that make bench prints.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void series_add(struct series *series, double value)
{
    if (series->count < (int)(sizeof series->values / sizeof series->values[0]))
        series->values[series->count++] = value;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct series sorted(const struct series *series)
{
    struct series copy = *series;
    qsort(copy.values, (size_t)copy.count, sizeof copy.values[0], compare);
    return copy;
}

double series_median(const struct series *series)
{
    struct series copy = sorted(series);
    return copy.count ? copy.values[copy.count / 2] : 0;
}

void table_head(void)
{
    printf("%-66s %10s %21s  %s\n", "figure", "median", "spread", "aim");
}

static void print(const char *name, const struct series *series)
{
    struct series copy = sorted(series);
    char spread[48] = "";
    if (copy.count)
        snprintf(spread, sizeof spread, "%.4g..%.4g", copy.values[0], copy.values[copy.count - 1]);
    printf("%-66s %10.4g %21s", name, series_median(series), spread);
}

void table_row(const char *name, const struct series *series, double aim, bool more_is_better)
{
    double median = series_median(series);
    bool good = more_is_better ? median >= aim : median <= aim;
    print(name, series);
    printf("  %s %.4g: %s\n", more_is_better ? ">=" : "<=", aim, good ? "met" : "MISSED");
    fflush(stdout);
}

void table_note(const char *name, const struct series *series)
{
    print(name, series);
    printf("  (for information)\n");
    fflush(stdout);
}
