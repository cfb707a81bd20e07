/*
 * schema.c - walks a table of fields: JSON object to typed struct, and typed struct to JSON object.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where in the message we are, for errors: "certificates[2].sans[0]". Built as text only when something is
 * refused. */
struct place {
    const struct place *parent;
    const char *name; /* NULL: an item of the parent */
    size_t index;
};

struct decoding {
    bool lenient;
    struct failure *failure;
};

static void place_format(const struct place *place, char *out, size_t size)
{
    if (!place) {
        out[0] = '\0';
        return;
    }
    place_format(place->parent, out, size);
    size_t used = strlen(out);
    if (!place->name)
        snprintf(out + used, size - used, "[%zu]", place->index);
    else
        snprintf(out + used, size - used, "%s%s", used ? "." : "", place->name);
}

static int refuse_type(const struct decoding *decoding, const struct place *place, const char *expected)
{
    char name[FAILURE_FIELD_SIZE];
    place_format(place, name, sizeof name);
    return failure_set(decoding->failure, FAILURE_INVALID_PARAMETER, name, "%s: expected %s", name, expected);
}

static int refuse_memory(const struct decoding *decoding)
{
    return failure_set(decoding->failure, FAILURE_INTERNAL, NULL, "out of memory");
}

static int decode_object(const struct decoding *decoding, const struct schema *schema, const json_t *object,
                         const struct place *place, void *out);

static int decode_text(const struct decoding *decoding, const struct field *field, const json_t *value,
                       const struct place *place, const char **out)
{
    if (!json_is_string(value))
        return refuse_type(decoding, place, "a string");
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    bool too_long = length > field->max_bytes;
    if (too_long || memchr(text, '\0', length)) {
        char name[FAILURE_FIELD_SIZE];
        place_format(place, name, sizeof name);
        if (too_long)
            return failure_set(decoding->failure, FAILURE_BAD_REQUEST, name,
                               "%s: %zu bytes, at most %zu are accepted", name, length, field->max_bytes);
        return failure_set(decoding->failure, FAILURE_BAD_REQUEST, name, "%s: holds a NUL character", name);
    }
    *out = text;
    return 0;
}

/* The number of items of a list, or -1 where it is no list or too long. */
static long long decode_count(const struct decoding *decoding, const struct field *field, const json_t *value,
                              const struct place *place, const char *expected)
{
    if (!json_is_array(value))
        return refuse_type(decoding, place, expected);
    size_t count = json_array_size(value);
    if (count <= field->max_items)
        return (long long)count;
    char name[FAILURE_FIELD_SIZE];
    place_format(place, name, sizeof name);
    return failure_set(decoding->failure, FAILURE_BAD_REQUEST, name, "%s: %zu items, at most %zu are accepted",
                       name, count, field->max_items);
}

static int decode_text_list(const struct decoding *decoding, const struct field *field, const json_t *value,
                            const struct place *place, struct text_list *out)
{
    long long count = decode_count(decoding, field, value, place, "an array of strings");
    if (count <= 0)
        return (int)count;
    out->items = calloc((size_t)count, sizeof *out->items);
    if (!out->items)
        return refuse_memory(decoding);
    out->count = (size_t)count;
    for (size_t i = 0; i < out->count; i++) {
        struct place item = {place, NULL, i};
        if (decode_text(decoding, field, json_array_get(value, i), &item, &out->items[i]))
            return -1;
    }
    return 0;
}

static int decode_struct(const struct decoding *decoding, const struct field *field, const json_t *value,
                         const struct place *place, void **out)
{
    *out = calloc(1, field->child->size);
    return *out ? decode_object(decoding, field->child, value, place, *out) : refuse_memory(decoding);
}

static int decode_struct_list(const struct decoding *decoding, const struct field *field, const json_t *value,
                              const struct place *place, struct struct_list *out)
{
    long long count = decode_count(decoding, field, value, place, "an array of objects");
    if (count <= 0)
        return (int)count;
    out->items = calloc((size_t)count, field->child->size);
    if (!out->items)
        return refuse_memory(decoding);
    out->count = (size_t)count;
    for (size_t i = 0; i < out->count; i++) {
        struct place item = {place, NULL, i};
        if (decode_object(decoding, field->child, json_array_get(value, i), &item,
                          (char *)out->items + i * field->child->size))
            return -1;
    }
    return 0;
}

static int decode_field(const struct decoding *decoding, const struct field *field, const json_t *value,
                        const struct place *place, void *at)
{
    switch (field->type) {
    case FIELD_TEXT:
        return decode_text(decoding, field, value, place, at);
    case FIELD_INT:
        /* ABSENT is a number too; taking it as sent would let a stranger unset a required field. */
        if (!json_is_integer(value) || json_integer_value(value) == ABSENT)
            return refuse_type(decoding, place, "an integer");
        *(int64_t *)at = json_integer_value(value);
        return 0;
    case FIELD_BOOL:
        if (!json_is_boolean(value))
            return refuse_type(decoding, place, "true or false");
        *(bool *)at = json_is_true(value);
        return 0;
    case FIELD_TEXT_LIST:
        return decode_text_list(decoding, field, value, place, at);
    case FIELD_STRUCT:
        return decode_struct(decoding, field, value, place, at);
    case FIELD_STRUCT_LIST:
        return decode_struct_list(decoding, field, value, place, at);
    }
    return refuse_type(decoding, place, "a type that the table knows");
}

static bool known(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (!strcmp(schema->fields[i].name, name))
            return true;
    return false;
}

static int refuse_unknown(const struct decoding *decoding, const struct schema *schema, const json_t *object,
                          const struct place *place)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)object, name, value)
        if (!known(schema, name)) {
            struct place unknown = {place, name, 0};
            char text[FAILURE_FIELD_SIZE];
            place_format(&unknown, text, sizeof text);
            return failure_set(decoding->failure, FAILURE_INVALID_PARAMETER, text,
                               "%s: %s has no such parameter", text, schema->name);
        }
    return 0;
}

static int decode_object(const struct decoding *decoding, const struct schema *schema, const json_t *object,
                         const struct place *place, void *out)
{
    if (!json_is_object(object))
        return refuse_type(decoding, place, "an object");
    size_t seen = 0;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        void *at = (char *)out + field->offset;
        const json_t *value = json_object_get(object, field->name);
        seen += value != NULL;
        if (field->type == FIELD_INT)
            *(int64_t *)at = ABSENT;
        struct place here = {place, field->name, 0};
        if (value && !json_is_null(value)) {
            if (decode_field(decoding, field, value, &here, at))
                return -1;
        } else if (field->required) {
            return refuse_type(decoding, &here, "a value, it is required");
        }
    }
    /* Duplicates were refused by the parser, so as many members as known ones means that there is no other. */
    return decoding->lenient || seen == json_object_size(object)
               ? 0
               : refuse_unknown(decoding, schema, object, place);
}

int schema_decode(const struct schema *schema, const json_t *object, bool lenient, void *out,
                  struct failure *failure)
{
    struct decoding decoding = {lenient, failure};
    memset(out, 0, schema->size);
    if (decode_object(&decoding, schema, object, NULL, out)) {
        schema_clear(schema, out);
        return -1;
    }
    return 0;
}

static json_t *encode_text_list(const struct text_list *list)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < list->count; i++)
        if (json_array_append_new(array, json_string(list->items[i]))) {
            json_decref(array);
            array = NULL;
        }
    return array;
}

static json_t *encode_struct_list(const struct schema *child, const struct struct_list *list)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < list->count; i++)
        if (json_array_append_new(array, schema_encode(child, (const char *)list->items + i * child->size))) {
            json_decref(array);
            array = NULL;
        }
    return array;
}

static bool is_absent(const struct field *field, const void *at)
{
    switch (field->type) {
    case FIELD_TEXT:
        return !*(const char *const *)at;
    case FIELD_INT:
        return *(const int64_t *)at == ABSENT;
    case FIELD_BOOL:
        return !field->required && !*(const bool *)at;
    case FIELD_TEXT_LIST:
        return !field->required && ((const struct text_list *)at)->count == 0;
    case FIELD_STRUCT:
        return !*(void *const *)at;
    case FIELD_STRUCT_LIST:
        return !field->required && ((const struct struct_list *)at)->count == 0;
    }
    return true;
}

static json_t *encode_field(const struct field *field, const void *at)
{
    switch (field->type) {
    case FIELD_TEXT:
        return json_string(*(const char *const *)at);
    case FIELD_INT:
        return json_integer(*(const int64_t *)at);
    case FIELD_BOOL:
        return json_boolean(*(const bool *)at);
    case FIELD_TEXT_LIST:
        return encode_text_list(at);
    case FIELD_STRUCT:
        return schema_encode(field->child, *(void *const *)at);
    case FIELD_STRUCT_LIST:
        return encode_struct_list(field->child, at);
    }
    return NULL;
}

json_t *schema_encode(const struct schema *schema, const void *in)
{
    json_t *object = json_object();
    for (size_t i = 0; object && i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        const void *at = (const char *)in + field->offset;
        /* The names stand in our own tables and are ASCII; the texts are checked by json_string. */
        if (!is_absent(field, at) &&
            json_object_set_new_nocheck(object, field->name, encode_field(field, at))) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

static void clear_members(const struct schema *schema, void *out)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        void *at = (char *)out + field->offset;
        if (field->type == FIELD_TEXT_LIST) {
            free(((struct text_list *)at)->items);
        } else if (field->type == FIELD_STRUCT && *(void **)at) {
            clear_members(field->child, *(void **)at);
            free(*(void **)at);
        } else if (field->type == FIELD_STRUCT_LIST) {
            struct struct_list *list = at;
            for (size_t j = 0; list->items && j < list->count; j++)
                clear_members(field->child, (char *)list->items + j * field->child->size);
            free(list->items);
        }
    }
}

void schema_clear(const struct schema *schema, void *out)
{
    clear_members(schema, out);
    memset(out, 0, schema->size);
}

bool schema_has_secret(const struct schema *schema, const void *value)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        const void *at = (const char *)value + field->offset;
        if (is_absent(field, at))
            continue;
        if (field->secret ||
            (field->type == FIELD_STRUCT && schema_has_secret(field->child, *(void *const *)at)))
            return true;
        const struct struct_list *list = field->type == FIELD_STRUCT_LIST ? at : NULL;
        for (size_t j = 0; list && j < list->count; j++)
            if (schema_has_secret(field->child, (const char *)list->items + j * field->child->size))
                return true;
    }
    return false;
}
