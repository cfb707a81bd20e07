/*
 * hours.c - policy module `hours`: on which days and at what times.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   hours mon-fri 08:00-18:00          local time of this host
 *   hours sat,sun 22:00-06:00 utc      past midnight belongs to the day that it began on
 *
 * Days or times left out mean all of them; several of either are alternatives. The end is not included; 24:00 is
 * one.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/policy/arguments.h"

enum {
    MINUTES_A_DAY = 24 * 60,
    WINDOWS_MAX = 16,
    SETTLED_MAX = 3600 /* seconds that settled_until looks ahead */
};
static const char *const day_names[7] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}; /* tm_wday */

struct window { int from, to; }; /* minutes since midnight */
struct hours_state {
    bool days[7];
    bool days_given, utc;
    size_t window_count;
    struct window windows[WINDOWS_MAX];
};

static int find_day(const char *text, size_t length)
{
    for (int day = 0; day < 7; day++)
        if (length == 3 && !memcmp(text, day_names[day], 3))
            return day;
    return -1;
}

/* "mon" or "mon-fri", which may go over the end of the week. */
static int parse_days(struct hours_state *state, const char *value, struct failure *failure)
{
    size_t length = strcspn(value, "-");
    int from = find_day(value, length);
    int to = value[length] == '-' ? find_day(value + length + 1, strlen(value + length + 1)) : from;
    if (from < 0 || to < 0) {
        char word[8] = "";
        memcpy(word, value, length < sizeof word - 1 ? length : sizeof word - 1);
        return argument_unknown(failure, "day", from < 0 ? word : value + length + 1, day_names, 7);
    }
    for (int day = from;; day = (day + 1) % 7) {
        state->days[day] = true;
        if (day == to)
            break;
    }
    state->days_given = true;
    return 0;
}

/* "HH:MM" at text; -1 where it is none. */
static int parse_time(const char *text)
{
    for (int i = 0; i < 5; i++)
        if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
            return -1;
    int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
    if (minute > 59 || hour > 24 || (hour == 24 && minute > 0))
        return -1;
    return hour * 60 + minute;
}

static int parse_window(struct hours_state *state, const char *value, struct failure *failure)
{
    bool form = strlen(value) == 11 && value[5] == '-';
    struct window window = {form ? parse_time(value) : -1, form ? parse_time(value + 6) : -1};
    if (window.from < 0 || window.to < 0 || window.from == MINUTES_A_DAY || window.from == window.to)
        return argument_refuse(failure, "found '%.60s', expected a time of day such as 08:00-18:00", value);
    if (state->window_count == WINDOWS_MAX)
        return argument_refuse(failure, "more than %d times of day", WINDOWS_MAX);
    state->windows[state->window_count++] = window;
    return 0;
}

static int add_value(void *context, size_t key, const char *value, struct failure *failure)
{
    struct hours_state *state = context;
    (void)key;
    if (!strcmp(value, "utc")) {
        state->utc = true;
        return 0;
    }
    return value[0] >= '0' && value[0] <= '9' ? parse_window(state, value, failure)
                                              : parse_days(state, value, failure);
}

static int parse(const struct module_argument *arguments, size_t count, void **out, size_t *at,
                 struct failure *failure)
{
    *at = count;
    struct hours_state *state = calloc(1, sizeof *state);
    if (!state)
        return argument_no_memory(failure);
    int result = arguments_visit_plain(arguments, count, add_value, state, at, failure);
    if (result == 0 && !state->days_given && state->window_count == 0) {
        *at = count;
        result =
            argument_refuse(failure, "found no days and no times, expected some, such as mon-fri 08:00-18:00");
    }
    if (result < 0) {
        free(state);
        return -1;
    }
    if (!state->days_given)
        memset(state->days, true, sizeof state->days);
    if (state->window_count == 0)
        state->windows[state->window_count++] = (struct window){0, MINUTES_A_DAY};
    tzset(); /* now, while /etc/localtime can be read: localtime_r does not look again */
    *out = state;
    return 0;
}

static bool read_clock(const struct hours_state *state, int64_t now, struct tm *out)
{
    time_t seconds = (time_t)now;
    return state->utc ? gmtime_r(&seconds, out) != NULL : localtime_r(&seconds, out) != NULL;
}

static bool inside(const struct hours_state *state, const struct tm *clock)
{
    int minute = clock->tm_hour * 60 + clock->tm_min;
    bool today = state->days[clock->tm_wday], yesterday = state->days[(clock->tm_wday + 6) % 7];
    for (size_t i = 0; i < state->window_count; i++) {
        const struct window *window = &state->windows[i];
        bool over_midnight = window->to < window->from;
        if (today && minute >= window->from && (over_midnight || minute < window->to))
            return true;
        if (yesterday && over_midnight && minute < window->to)
            return true;
    }
    return false;
}

static enum module_result judge(const void *data, const struct policy_question *question, char *detail,
                                size_t detail_size)
{
    const struct hours_state *state = data;
    struct tm clock;
    if (!read_clock(state, question->now, &clock)) {
        argument_tell(detail, detail_size, "the time cannot be told");
        return MODULE_FAILURE;
    }
    if (inside(state, &clock))
        return MODULE_SUCCESS;
    argument_tell(detail, detail_size, "it is %s %02d:%02d%s", day_names[clock.tm_wday], clock.tm_hour,
                  clock.tm_min, state->utc ? " UTC" : " local time");
    return MODULE_FAILURE;
}

/* Edges lie on full minutes, in every time zone that has been in use since 1972. A summer-time change is seen as
 * one, too. */
static int64_t settled_until(const void *data, int64_t now, int64_t until)
{
    const struct hours_state *state = data;
    struct tm clock;
    bool before = read_clock(state, now, &clock) && inside(state, &clock);
    if (until - now > SETTLED_MAX)
        until = now + SETTLED_MAX;
    for (int64_t edge = now - now % 60 + 60; edge < until; edge += 60)
        if (read_clock(state, edge, &clock) && inside(state, &clock) != before)
            return edge;
    return until;
}

const struct policy_module policy_module_hours = {
    .name = "hours",
    .types = POLICY_ANY_TYPE,
    .parse = parse,
    .free = free,
    .judge = judge,
    .settled_until = settled_until,
};
