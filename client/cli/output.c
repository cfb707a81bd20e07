/*
 * output.c - tables, facts, JSON lines and failures. What strangers named is made printable here, once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/message.h"
#include "proto/term.h"

enum { TEXT_MAX = 8192, FACT_WIDTH = 15 };

bool output_coloured(FILE *out)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(out)) && !(no_color && *no_color) && term && *term && strcmp(term, "dumb") != 0;
}

/* --- tables --- */

/* Characters, not bytes: those that begin a UTF-8 sequence. */
static size_t width(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

void table_init(struct table *table, size_t columns)
{
    *table = (struct table){.columns = columns};
}

static char *printable(const char *text)
{
    size_t size = (text ? strlen(text) : 0) + 1;
    size = size < TEXT_MAX ? size : TEXT_MAX;
    char *copy = malloc(size);
    if (copy)
        failure_copy_text(copy, size, text ? text : "");
    return copy;
}

int table_add(struct table *table, const char *const *cells)
{
    if (table->count + table->columns > table->room) {
        size_t room = table->room ? table->room * 2 : 64 * table->columns;
        char **larger = reallocarray(table->cells, room, sizeof *larger);
        if (!larger)
            return -1;
        table->cells = larger;
        table->room = room;
    }
    for (size_t i = 0; i < table->columns; i++) {
        char *copy = printable(cells[i]);
        if (!copy) {
            while (i-- > 0)
                free(table->cells[table->count + i]);
            return -1;
        }
        table->cells[table->count + i] = copy;
    }
    table->count += table->columns;
    return 0;
}

static const char *colour_of(const char *status)
{
    if (!strcmp(status, "live") || !strcmp(status, "success"))
        return "\033[32m";
    if (!strcmp(status, "revoked") || !strcmp(status, "failure"))
        return "\033[31m";
    return !strcmp(status, "held") || !strcmp(status, "expired") ? "\033[33m" : "";
}

static void print_cell(FILE *out, const char *cell, size_t padding, const char *before)
{
    fprintf(out, "%s%s%s%*s", before, cell, *before ? "\033[0m" : "", (int)padding, "");
}

void table_print(const struct table *table, FILE *out, size_t status, bool coloured)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->count; i++) {
        size_t *widest = &widths[i % table->columns], here = width(table->cells[i]);
        *widest = here > *widest ? here : *widest;
    }
    for (size_t row = 0; row < table->count; row += table->columns) {
        size_t last = table->columns;
        while (last > 1 && !*table->cells[row + last - 1])
            last--; /* no blanks at the end of a line */
        for (size_t i = 0; i < last; i++) {
            const char *cell = table->cells[row + i];
            bool end = i + 1 == last;
            const char *before = !coloured ? "" : row == 0 ? "\033[1m" : i == status ? colour_of(cell) : "";
            print_cell(out, cell, end ? 0 : widths[i] - width(cell) + 2, before);
        }
        fputc('\n', out);
    }
}

void table_clear(struct table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){.columns = table->columns};
}

/* --- times and facts --- */

/* The largest unit of which there are two or more. */
static void coarse(int64_t seconds, char *out, size_t size)
{
    static const struct {
        int64_t length;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (seconds >= 2 * units[i].length) {
            snprintf(out, size, "%lld%c", (long long)(seconds / units[i].length), units[i].letter);
            return;
        }
    snprintf(out, size, "%llds", (long long)seconds);
}

void output_time_left(const char *not_after, int64_t now, char out[static TIME_LEFT_SIZE])
{
    int64_t end;
    char span[24];
    if (!not_after || instant_parse(not_after, &end)) {
        snprintf(out, TIME_LEFT_SIZE, "?");
        return;
    }
    coarse(end > now ? end - now : now - end, span, sizeof span);
    if (end > now)
        snprintf(out, TIME_LEFT_SIZE, "%s", span);
    else
        snprintf(out, TIME_LEFT_SIZE, "expired %s ago", span);
}

void output_text(FILE *out, const char *text)
{
    char *clean = printable(text);
    fputs(clean ? clean : "(out of memory)", out);
    free(clean);
}

void output_fact(FILE *out, const char *name, const char *value)
{
    if (!value)
        return;
    int padding = FACT_WIDTH - (int)strlen(name);
    fprintf(out, "%s:%*s", name, padding > 0 ? padding : 1, "");
    output_text(out, value);
    fputc('\n', out);
}

void output_fact_number(FILE *out, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    output_fact(out, name, text);
}

void output_fact_list(FILE *out, const char *name, const struct mtls_text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        output_fact(out, name, list->items[i]);
}

/* --- JSON --- */

int output_json(FILE *out, json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (!text)
        return -1;
    fprintf(out, "%s\n", text);
    free(text);
    return 0;
}

json_t *output_result(const void *result)
{
    const char *text = mtls_result_json(result);
    return text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

void output_set(json_t *object, const char *name, const char *text)
{
    if (object)
        json_object_set_new(object, name, text ? json_string(text) : json_null());
}

/* The codec has the one table of error parameters; ask it. */
json_t *output_failure_parameters(const struct failure *failure)
{
    size_t length;
    char *text = message_format_failure(failure, &length);
    json_t *message = text ? json_loadb(text, length, 0, NULL) : NULL;
    json_t *parameters = json_incref(json_object_get(message, "parameters"));
    json_decref(message);
    message_text_free(text, length);
    return parameters;
}

void output_failure(bool json, FILE *out, FILE *err, const char *name, json_t *parameters,
                    const char *sentence)
{
    if (json) {
        json_t *object = json_object();
        json_object_set_new(object, "error", json_string(name));
        json_object_set_new(object, "parameters", parameters ? parameters : json_object());
        json_object_set_new(object, "message", json_string(sentence));
        if (output_json(out, object))
            fprintf(err, "mtlsctl: out of memory\n");
        fflush(out);
    } else {
        json_decref(parameters);
    }
    fputs(strncmp(sentence, "denied: ", 8) ? "mtlsctl: " : "", err);
    output_text(err, sentence);
    fputc('\n', err);
}

char *output_quote(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-";
    size_t length = strlen(word), quotes = 0;
    if (length && strspn(word, plain) == length)
        return strdup(word);
    for (const char *p = word; *p; p++)
        quotes += *p == '\'';
    char *quoted = malloc(length + 3 * quotes + 3), *at = quoted;
    if (!quoted)
        return NULL;
    *at++ = '\'';
    for (const char *p = word; *p; p++) {
        if (*p == '\'') {
            memcpy(at, "'\\''", 4);
            at += 4;
        } else {
            *at++ = *p;
        }
    }
    memcpy(at, "'", 2);
    return quoted;
}
