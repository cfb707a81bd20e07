/*
 * output.h - everything that mtlsctl prints: tables and sentences for people, JSON for programs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_OUTPUT_H
#define MTLSD_CLIENT_CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <mtls.h>

#include "proto/failure.h"

enum { TABLE_COLUMNS_MAX = 6, TIME_LEFT_SIZE = 48 };

/* Colours go to a terminal only, and not where NO_COLOR is set (no-color.org) or TERM is dumb. */
bool output_coloured(FILE *out);

/* A table: cells are copied, made printable, and padded by characters. The first row is the heading; the last
 * column is not padded. */
struct table {
    char **cells;
    size_t columns, count, room;
};
void table_init(struct table *table, size_t columns);
/* `columns` texts; NULL is "". 0, or -1 when memory ran out. */
int table_add(struct table *table, const char *const *cells);
/* `status` is the column to be coloured by its word, or SIZE_MAX. */
void table_print(const struct table *table, FILE *out, size_t status, bool coloured);
void table_clear(struct table *table);

/* "89d", "5h", "expired 3d ago", "not yet" for an instant in RFC 3339 as seen at `now`. */
void output_time_left(const char *not_after, int64_t now, char out[static TIME_LEFT_SIZE]);

/* "  name:      alice" with the value made printable; nothing where it is NULL. */
void output_fact(FILE *out, const char *name, const char *value);
void output_fact_number(FILE *out, const char *name, int64_t value);
void output_fact_list(FILE *out, const char *name, const struct mtls_text_list *list);
/* A text made printable, without a newline. */
void output_text(FILE *out, const char *text);

/* One line of JSON. Takes over the object (NULL: memory ran out). 0, or -1. */
int output_json(FILE *out, json_t *object);
/* A result as an object to change and print; NULL when memory ran out. */
json_t *output_result(const void *result);
/* Set a text in an object, or null. */
void output_set(json_t *object, const char *name, const char *text);

/* The failure object on `out` (with `json`) and its sentence on `err`. `name` NULL: from the code;
 * `parameters` is taken over, NULL: from the failure. */
void output_failure(bool json, FILE *out, FILE *err, const char *name, json_t *parameters,
                    const char *sentence);
json_t *output_failure_parameters(const struct failure *failure);

/* A word for a shell: as it is, or in single quotes. In memory that the caller frees; NULL when memory ran
 * out. */
char *output_quote(const char *word);

#endif
