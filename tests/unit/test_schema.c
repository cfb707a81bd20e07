/*
 * test_schema.c - tables of fields: typed structs out of JSON, each refusal with the name of its field, and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/schema.h"

#include <string.h>

#include "unit.h"

struct leaf {
    const char *serial;
    int64_t number;
};
static const struct field leaf_fields[] = {
    {.name = "serial", .type = FIELD_TEXT, .required = true, .offset = offsetof(struct leaf, serial), .max_bytes = 4},
    {.name = "number", .type = FIELD_INT, .offset = offsetof(struct leaf, number)},
};
static const struct schema leaf = {"Leaf", sizeof(struct leaf), 2, leaf_fields};

struct tree {
    const char *name, *key;
    int64_t count, limit;
    bool yes, maybe;
    struct text_list sans, more;
    struct leaf *one, *another;
    struct struct_list leaves;
};
#define AT(member) .offset = offsetof(struct tree, member)
static const struct field tree_fields[] = {
    {.name = "name", .type = FIELD_TEXT, .required = true, AT(name), .max_bytes = 8},
    {.name = "privateKey", .type = FIELD_TEXT, .secret = true, AT(key), .max_bytes = 8},
    {.name = "count", .type = FIELD_INT, .required = true, AT(count)},
    {.name = "limit", .type = FIELD_INT, AT(limit)},
    {.name = "yes", .type = FIELD_BOOL, .required = true, AT(yes)},
    {.name = "maybe", .type = FIELD_BOOL, AT(maybe)},
    {.name = "sans", .type = FIELD_TEXT_LIST, .required = true, AT(sans), .max_bytes = 8, .max_items = 3},
    {.name = "more", .type = FIELD_TEXT_LIST, AT(more), .max_bytes = 8, .max_items = 3},
    {.name = "one", .type = FIELD_STRUCT, .required = true, AT(one), .child = &leaf},
    {.name = "another", .type = FIELD_STRUCT, AT(another), .child = &leaf},
    {.name = "leaves", .type = FIELD_STRUCT_LIST, .required = true, AT(leaves), .max_items = 2, .child = &leaf},
};
static const struct schema tree = {"Tree", sizeof(struct tree), 11, tree_fields};

#define LEAST "\"name\":\"n\",\"count\":1,\"yes\":true,\"sans\":[],\"one\":{\"serial\":\"0a\"},\"leaves\":[]"

static struct failure failure;
static json_t *object;

static int decode(const char *text, bool lenient, struct tree *out)
{
    json_decref(object);
    object = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(object);
    memset(&failure, 0, sizeof failure);
    return schema_decode(&tree, object, lenient, out, &failure);
}

START_TEST(a_full_object_fills_every_member)
{
    struct tree out;
    ck_assert_int_eq(decode("{\"name\":\"alice\",\"privateKey\":\"k\",\"count\":-7,\"limit\":9,\"yes\":true,\"maybe\":true,"
                            "\"sans\":[\"DNS:a\",\"DNS:b\"],\"more\":[\"x\"],\"one\":{\"serial\":\"0a\",\"number\":3},"
                            "\"another\":{\"serial\":\"0b\"},\"leaves\":[{\"serial\":\"0c\"},{\"serial\":\"0d\",\"number\":4}]}",
                            false, &out), 0);
    ck_assert_str_eq(out.name, "alice");
    ck_assert_int_eq(out.count, -7);
    ck_assert_int_eq(out.limit, 9);
    ck_assert(out.yes && out.maybe);
    ck_assert_uint_eq(out.sans.count, 2);
    ck_assert_str_eq(out.sans.items[1], "DNS:b");
    ck_assert_str_eq(out.more.items[0], "x");
    ck_assert_int_eq(out.one->number, 3);
    ck_assert_str_eq(out.another->serial, "0b");
    ck_assert_int_eq(out.another->number, ABSENT);
    const struct leaf *leaves = out.leaves.items;
    ck_assert_uint_eq(out.leaves.count, 2);
    ck_assert_int_eq(leaves[0].number, ABSENT);
    ck_assert_str_eq(leaves[1].serial, "0d");
    ck_assert(schema_has_secret(&tree, &out));
    json_t *back = schema_encode(&tree, &out);
    ck_assert(json_equal(back, object));
    json_decref(back);
    schema_clear(&tree, &out);
    ck_assert_ptr_null(out.sans.items);
    ck_assert_ptr_null(out.one);
}
END_TEST

START_TEST(absent_and_null_are_the_same)
{
    static const char *const texts[] = {
        "{" LEAST "}", "{" LEAST ",\"privateKey\":null,\"limit\":null,\"maybe\":null,\"more\":null,\"another\":null}"};
    for (size_t i = 0; i < 2; i++) {
        struct tree out;
        ck_assert_msg(decode(texts[i], false, &out) == 0, "%s", failure.reason);
        ck_assert_ptr_null(out.key);
        ck_assert_int_eq(out.limit, ABSENT);
        ck_assert(!out.maybe);
        ck_assert_uint_eq(out.more.count, 0);
        ck_assert_ptr_null(out.another);
        ck_assert(!schema_has_secret(&tree, &out));
        json_t *back = schema_encode(&tree, &out);
        char *text = json_dumps(back, JSON_COMPACT);
        ck_assert_str_eq(text, "{" LEAST "}"); /* absent optionals are left out, empty required lists are not */
        free(text);
        json_decref(back);
        schema_clear(&tree, &out);
    }
}
END_TEST

START_TEST(each_refusal_names_its_field)
{
    static const struct { const char *text; enum failure_code code; const char *field; } bad[] = {
        {"[]", FAILURE_INVALID_PARAMETER, ""},
        {"{\"count\":1}", FAILURE_INVALID_PARAMETER, "name"},
        {"{\"name\":null}", FAILURE_INVALID_PARAMETER, "name"},
        {"{\"name\":1}", FAILURE_INVALID_PARAMETER, "name"},
        {"{\"name\":[\"n\"]}", FAILURE_INVALID_PARAMETER, "name"},
        {"{\"name\":\"123456789\"}", FAILURE_BAD_REQUEST, "name"},
        {"{\"name\":\"n\",\"privateKey\":7}", FAILURE_INVALID_PARAMETER, "privateKey"},
        {"{\"name\":\"n\",\"count\":\"1\"}", FAILURE_INVALID_PARAMETER, "count"},
        {"{\"name\":\"n\",\"count\":1.0}", FAILURE_INVALID_PARAMETER, "count"},
        {"{\"name\":\"n\",\"count\":-9223372036854775808}", FAILURE_INVALID_PARAMETER, "count"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":1}", FAILURE_INVALID_PARAMETER, "yes"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":\"true\"}", FAILURE_INVALID_PARAMETER, "yes"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":true}", FAILURE_INVALID_PARAMETER, "sans"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":true,\"sans\":\"DNS:a\"}", FAILURE_INVALID_PARAMETER, "sans"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":true,\"sans\":[\"a\",1]}", FAILURE_INVALID_PARAMETER, "sans[1]"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":true,\"sans\":[null]}", FAILURE_INVALID_PARAMETER, "sans[0]"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":true,\"sans\":[\"a\",\"123456789\"]}", FAILURE_BAD_REQUEST, "sans[1]"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":true,\"sans\":[\"a\",\"b\",\"c\",\"d\"]}", FAILURE_BAD_REQUEST, "sans"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":true,\"sans\":[],\"one\":7}", FAILURE_INVALID_PARAMETER, "one"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":true,\"sans\":[],\"one\":{}}", FAILURE_INVALID_PARAMETER, "one.serial"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":true,\"sans\":[],\"one\":{\"serial\":\"0a\",\"x\":1}}", FAILURE_INVALID_PARAMETER, "one.x"},
        {"{" LEAST ",\"another\":{\"serial\":\"12345\"}}", FAILURE_BAD_REQUEST, "another.serial"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":true,\"sans\":[],\"one\":{\"serial\":\"0a\"},\"leaves\":[{\"serial\":\"0a\"},7]}",
         FAILURE_INVALID_PARAMETER, "leaves[1]"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":true,\"sans\":[],\"one\":{\"serial\":\"0a\"},\"leaves\":[{\"serial\":\"0a\"},{\"serial\":7}]}",
         FAILURE_INVALID_PARAMETER, "leaves[1].serial"},
        {"{\"name\":\"n\",\"count\":1,\"yes\":true,\"sans\":[],\"one\":{\"serial\":\"0a\"},\"leaves\":[1,2,3]}", FAILURE_BAD_REQUEST, "leaves"},
        {"{" LEAST ",\"wings\":2}", FAILURE_INVALID_PARAMETER, "wings"},
        {"{" LEAST ",\"wings\":null}", FAILURE_INVALID_PARAMETER, "wings"},
        {"{" LEAST ",\"Name\":\"n\"}", FAILURE_INVALID_PARAMETER, "Name"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tree out;
        static const struct tree empty;
        memset(&out, 0xff, sizeof out);
        ck_assert_msg(decode(bad[i].text, false, &out) == -1, "accepted %s", bad[i].text);
        ck_assert_msg(failure.code == bad[i].code, "%s: code %d", bad[i].text, failure.code);
        ck_assert_msg(!strcmp(failure.field, bad[i].field), "%s: field %s", bad[i].text, failure.field);
        ck_assert_mem_eq(&out, &empty, sizeof out);
    }
}
END_TEST

START_TEST(a_nul_inside_a_text_is_refused_even_where_the_json_library_let_it_in)
{
    struct tree out;
    json_decref(object);
    object = json_loads("{" LEAST "}", 0, NULL);
    json_object_set_new(object, "name", json_stringn("a\0b", 3));
    ck_assert_int_eq(schema_decode(&tree, object, false, &out, &failure), -1);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_str_eq(failure.field, "name");
}
END_TEST

START_TEST(a_lenient_reader_passes_over_what_it_does_not_know)
{
    struct tree out;
    ck_assert_int_eq(decode("{" LEAST ",\"wings\":2}", true, &out), 0);
    schema_clear(&tree, &out);
    ck_assert_int_eq(decode("{" LEAST ",\"limit\":\"2\"}", true, &out), -1);
    ck_assert_str_eq(failure.field, "limit");
}
END_TEST

START_TEST(limits_are_inclusive)
{
    struct tree out;
    ck_assert_int_eq(decode("{" LEAST ",\"privateKey\":\"12345678\",\"more\":[\"12345678\",\"\",\"\"]}", false, &out), 0);
    schema_clear(&tree, &out);
}
END_TEST

START_TEST(a_secret_is_found_at_any_depth)
{
    struct inner { const char *secret; } inner = {"s"}, none = {NULL};
    static const struct field inner_fields[] = {{.name = "secret", .type = FIELD_TEXT, .secret = true}};
    static const struct schema inner_schema = {"Inner", sizeof inner, 1, inner_fields};
    static const struct field one_fields[] = {{.name = "one", .type = FIELD_STRUCT, .child = &inner_schema}};
    static const struct schema one_schema = {"One", sizeof(struct inner *), 1, one_fields};
    static const struct field list_fields[] = {{.name = "list", .type = FIELD_STRUCT_LIST, .child = &inner_schema}};
    static const struct schema list_schema = {"List", sizeof(struct struct_list), 1, list_fields};
    struct inner *set = &inner, *unset = &none, items[2] = {none, inner};
    ck_assert(schema_has_secret(&one_schema, &set));
    ck_assert(!schema_has_secret(&one_schema, &unset));
    ck_assert(schema_has_secret(&list_schema, &(struct struct_list){items, 2}));
    ck_assert(!schema_has_secret(&list_schema, &(struct struct_list){items, 1}));
}
END_TEST

START_TEST(what_is_not_utf8_cannot_be_encoded)
{
    struct leaf bad = {"\xff", 1};
    ck_assert_ptr_null(schema_encode(&leaf, &bad));
    struct leaf missing = {NULL, ABSENT};
    json_t *empty = schema_encode(&leaf, &missing);
    ck_assert_uint_eq(json_object_size(empty), 0);
    json_decref(empty);
}
END_TEST

UNIT_MAIN("schema", a_full_object_fills_every_member, absent_and_null_are_the_same, each_refusal_names_its_field,
          a_nul_inside_a_text_is_refused_even_where_the_json_library_let_it_in, a_lenient_reader_passes_over_what_it_does_not_know,
          limits_are_inclusive, a_secret_is_found_at_any_depth, what_is_not_utf8_cannot_be_encoded)
