/*
 * term.c - terms ("90d") and instants (RFC 3339, UTC) from text and to text.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The calendar is computed here and not by timegm and gmtime_r: those take the C library's time zone lock, and
 * a List page formats thousands of instants.
 */
#include "proto/term.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    char letter;
    int64_t seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
enum { UNITS = sizeof units / sizeof units[0] };

int term_parse(const char *text, int64_t *seconds)
{
    int64_t number = 0;
    const char *p = text;
    for (; p && *p >= '0' && *p <= '9'; p++) {
        number = number * 10 + (*p - '0');
        if (number > TERM_MAX)
            return -1;
    }
    if (number == 0 || !*p || p[1])
        return -1;
    for (size_t i = 0; i < UNITS; i++)
        if (units[i].letter == *p) {
            if (number > TERM_MAX / units[i].seconds)
                return -1;
            *seconds = number * units[i].seconds;
            return 0;
        }
    return -1;
}

void term_format(int64_t seconds, char out[static INSTANT_TEXT_SIZE])
{
    size_t i = 0;
    while (i < UNITS - 1 && (seconds == 0 || seconds % units[i].seconds != 0))
        i++;
    snprintf(out, INSTANT_TEXT_SIZE, "%lld%c", (long long)(seconds / units[i].seconds), units[i].letter);
}

static bool leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int month, int64_t year)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && leap(year) ? 29 : days[month - 1];
}

/* Days from 0000-01-01 to the first of January of `year` >= 0 in the proleptic Gregorian calendar; year 0 is a
 * leap year. */
static int64_t days_before_year(int64_t year)
{
    return year == 0 ? 0 : year * 365 + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1;
}

enum { EPOCH_DAYS = 719528 /* days_before_year(1970) */ };

/* Exactly `count` digits at *text, which is moved past them. */
static bool digits(const char **text, int count, int *value)
{
    *value = 0;
    for (int i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *value = *value * 10 + (**text - '0');
    }
    return true;
}

static bool one_of(const char **text, const char *set)
{
    if (!**text || !strchr(set, **text))
        return false;
    (*text)++;
    return true;
}

/* "Z" or "+hh:mm" or "-hh:mm" (RFC 3339 section 5.6), to the end of the text: seconds east of UTC. */
static bool offset(const char *p, int64_t *east)
{
    int hours = 0, minutes = 0;
    bool west = *p == '-';
    if (one_of(&p, "Zz")) {
        *east = 0;
        return !*p;
    }
    if (!one_of(&p, "+-") || !digits(&p, 2, &hours) || !one_of(&p, ":") || !digits(&p, 2, &minutes) || *p ||
        hours > 23 || minutes > 59)
        return false;
    *east = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

int instant_parse(const char *text, int64_t *seconds)
{
    const char *p = text;
    int year, month, day, hour, minute, second;
    if (!p || !digits(&p, 4, &year) || !one_of(&p, "-") || !digits(&p, 2, &month) || !one_of(&p, "-") ||
        !digits(&p, 2, &day) || !one_of(&p, "Tt") || !digits(&p, 2, &hour) || !one_of(&p, ":") ||
        !digits(&p, 2, &minute) || !one_of(&p, ":") || !digits(&p, 2, &second))
        return -1;
    if (one_of(&p, ".")) {
        if (*p < '0' || *p > '9')
            return -1;
        p += strspn(p, "0123456789");
    }
    /* A leap second ("23:59:60") has no number in POSIX time and none in a certificate (RFC 5280
     * section 4.1.2.5): refused. */
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in(month, year) || hour > 23 ||
        minute > 59 || second > 59)
        return -1;
    int64_t east;
    if (!offset(p, &east))
        return -1;
    int64_t days = days_before_year(year) - EPOCH_DAYS + day - 1;
    for (int m = 1; m < month; m++)
        days += days_in(m, year);
    int64_t result = days * 86400 + hour * 3600 + minute * 60 + second - east;
    if (result < 0 || result > INSTANT_MAX)
        return -1;
    *seconds = result;
    return 0;
}

static void put(char *at, int width, int64_t value)
{
    for (int i = width - 1; i >= 0; i--, value /= 10)
        at[i] = (char)('0' + value % 10);
}

void instant_format(int64_t seconds, char out[static INSTANT_TEXT_SIZE])
{
    const int64_t first = -(int64_t)EPOCH_DAYS * 86400;
    seconds = seconds < first ? first : seconds > INSTANT_MAX ? INSTANT_MAX : seconds;
    int64_t since = seconds - first, days = since / 86400, of_day = since % 86400;
    int64_t year = days / 366; /* never past the right one */
    while (days_before_year(year + 1) <= days)
        year += (days - days_before_year(year + 1)) / 366 + 1;
    int month = 1;
    for (days -= days_before_year(year); days >= days_in(month, year); month++)
        days -= days_in(month, year);
    memcpy(out, "0000-00-00T00:00:00Z", sizeof "0000-00-00T00:00:00Z");
    put(out, 4, year);
    put(out + 5, 2, month);
    put(out + 8, 2, days + 1);
    put(out + 11, 2, of_day / 3600);
    put(out + 14, 2, of_day / 60 % 60);
    put(out + 17, 2, of_day % 60);
}
