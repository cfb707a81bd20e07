/*
 * test_calls.c - the tables of calls.c and failure.c against io.mtlsd.Agent.varlink: every method, member, type, optionality, order.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The reader below knows as much of the interface language (varlink.org/Interface-Definition) as our file uses.
 */
#include "proto/calls.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "proto/message.h"
#include "unit.h"

enum { MEMBERS_MAX = 64, STRUCTS_MAX = 128, WORD = 64 };

struct member {
    char name[WORD], type[WORD]; /* "string", "int", "bool", "enum" or the name of a type */
    bool optional, list;
};
struct structure {
    char kind[WORD], name[WORD]; /* kind: "type", "error", "call", "reply" */
    struct member members[MEMBERS_MAX];
    size_t count;
};

static struct structure structures[STRUCTS_MAX];
static size_t structure_count;
static char file[100000];
static const char *at;

/* The next word, or one character of punctuation ("->" counts as one); "" at the end. */
static const char *token(void)
{
    static char text[WORD];
    for (;;) {
        at += strspn(at, " \t\n");
        if (*at != '#')
            break;
        at += strcspn(at, "\n");
    }
    size_t length = 0;
    while (isalnum((unsigned char)at[length]) || at[length] == '.')
        length++;
    if (length == 0 && *at)
        length = !strncmp(at, "->", 2) ? 2 : 1;
    ck_assert_uint_lt(length, sizeof text);
    memcpy(text, at, length);
    text[length] = '\0';
    at += length;
    return text;
}

static void expect(const char *text)
{
    const char *found = token();
    ck_assert_msg(!strcmp(found, text), "expected %s, found %s", text, found);
}

static bool next_is(const char *text)
{
    const char *before = at;
    if (!strcmp(token(), text))
        return true;
    at = before;
    return false;
}

static void read_type(struct member *member)
{
    member->optional = next_is("?");
    member->list = next_is("[");
    if (member->list)
        expect("]");
    if (next_is("(")) {
        while (!next_is(")"))
            token();
        snprintf(member->type, sizeof member->type, "enum");
        return;
    }
    snprintf(member->type, sizeof member->type, "%s", token());
}

static void read_structure(const char *kind, const char *name)
{
    struct structure *structure = &structures[structure_count++];
    ck_assert_uint_lt(structure_count, STRUCTS_MAX);
    snprintf(structure->kind, sizeof structure->kind, "%s", kind);
    snprintf(structure->name, sizeof structure->name, "%s", name);
    expect("(");
    while (!next_is(")")) {
        struct member *member = &structure->members[structure->count++];
        ck_assert_uint_lt(structure->count, MEMBERS_MAX);
        snprintf(member->name, sizeof member->name, "%s", token());
        expect(":");
        read_type(member);
        next_is(",");
    }
}

static void read_interface(void)
{
    FILE *stream = fopen("proto/io.mtlsd.Agent.varlink", "re");
    ck_assert_msg(stream != NULL, "run from the top of the source tree");
    file[fread(file, 1, sizeof file - 1, stream)] = '\0';
    fclose(stream);
    at = file;
    expect("interface");
    expect("io.mtlsd.Agent");
    char keyword[WORD], name[WORD];
    while (snprintf(keyword, sizeof keyword, "%s", token()) > 0) {
        snprintf(name, sizeof name, "%s", token());
        if (!strcmp(keyword, "method")) {
            read_structure("call", name);
            expect("->");
            read_structure("reply", name);
        } else {
            ck_assert_msg(!strcmp(keyword, "type") || !strcmp(keyword, "error"), "%s", keyword);
            read_structure(keyword, name);
        }
    }
}

static const struct structure *find(const char *kind, const char *name)
{
    for (size_t i = 0; i < structure_count; i++)
        if (!strcmp(structures[i].kind, kind) && !strcmp(structures[i].name, name))
            return &structures[i];
    ck_abort_msg("the file has no %s %s", kind, name);
    return NULL;
}

static enum field_type expected_type(const struct member *member)
{
    if (!strcmp(member->type, "string") || !strcmp(member->type, "enum"))
        return member->list ? FIELD_TEXT_LIST : FIELD_TEXT;
    if (!strcmp(member->type, "int") || !strcmp(member->type, "bool")) {
        ck_assert_msg(!member->list, "%s: no list of %s in the codec", member->name, member->type);
        return !strcmp(member->type, "int") ? FIELD_INT : FIELD_BOOL;
    }
    return member->list ? FIELD_STRUCT_LIST : FIELD_STRUCT;
}

static void compare(const struct schema *schema, const struct structure *structure)
{
    ck_assert_msg(schema->field_count == structure->count, "%s %s: %zu fields in the table, %zu in the file", structure->kind,
                  structure->name, schema->field_count, structure->count);
    for (size_t i = 0; i < structure->count; i++) {
        const struct field *field = &schema->fields[i];
        const struct member *member = &structure->members[i];
        ck_assert_msg(!strcmp(field->name, member->name), "%s: %s in the table, %s in the file", structure->name, field->name,
                      member->name);
        ck_assert_msg(field->required == !member->optional, "%s.%s: optional in one only", structure->name, member->name);
        ck_assert_msg(field->type == expected_type(member), "%s.%s: type", structure->name, member->name);
        bool is_text = field->type == FIELD_TEXT || field->type == FIELD_TEXT_LIST;
        bool is_list = field->type == FIELD_TEXT_LIST || field->type == FIELD_STRUCT_LIST;
        ck_assert_msg(is_text == (field->max_bytes > 0), "%s.%s: limit of bytes", structure->name, member->name);
        ck_assert_msg(is_list == (field->max_items > 0), "%s.%s: limit of items", structure->name, member->name);
        bool has_child = field->type == FIELD_STRUCT || field->type == FIELD_STRUCT_LIST;
        ck_assert_msg(has_child == (field->child != NULL), "%s.%s: child", structure->name, member->name);
        if (has_child) {
            ck_assert_str_eq(field->child->name, member->type);
            compare(field->child, find("type", member->type));
        }
    }
}

START_TEST(every_method_of_the_file_is_in_the_table_in_order)
{
    read_interface();
    size_t calls = 0;
    for (size_t i = 0; i < structure_count; i++)
        if (!strcmp(structures[i].kind, "call")) {
            ck_assert_uint_lt(calls, method_schema_count);
            ck_assert_str_eq(method_schemas[calls].method, structures[i].name);
            calls++;
        }
    ck_assert_uint_eq(calls, method_schema_count);
    ck_assert_uint_ge(calls, 14);
}
END_TEST

START_TEST(every_member_agrees_with_the_file)
{
    read_interface();
    for (size_t i = 0; i < method_schema_count; i++) {
        const struct method_schema *row = &method_schemas[i];
        compare(row->call, find("call", row->method));
        compare(row->reply, find("reply", row->method));
        ck_assert_str_eq(row->call->name, row->method);
    }
}
END_TEST

START_TEST(every_error_agrees_with_the_file)
{
    static const char prefix[] = "io.mtlsd.Agent.";
    read_interface();
    size_t in_file = 0, in_table = 0;
    for (int code = FAILURE_NONE + 1; code < FAILURE_CODES; code++)
        in_table += !strncmp(failure_name((enum failure_code)code), prefix, strlen(prefix));
    for (size_t i = 0; i < structure_count; i++) {
        const struct structure *error = &structures[i];
        if (strcmp(error->kind, "error") != 0)
            continue;
        in_file++;
        char name[2 * WORD];
        snprintf(name, sizeof name, "%s%s", prefix, error->name);
        enum failure_code code = failure_from_name(name);
        ck_assert_str_eq(failure_name(code), name);
        size_t count;
        const struct failure_member *members = failure_members(code, &count);
        ck_assert_msg(count == error->count, "%s: %zu parameters", error->name, count);
        for (size_t j = 0; j < count; j++) {
            static const char *const types[] = {[FAILURE_TEXT] = "string", [FAILURE_OFFSET] = "int", [FAILURE_SERIALS] = "string"};
            ck_assert_str_eq(members[j].name, error->members[j].name);
            ck_assert_str_eq(types[members[j].kind], error->members[j].type);
            ck_assert_int_eq(members[j].kind == FAILURE_SERIALS, error->members[j].list);
            ck_assert_int_eq(members[j].kind == FAILURE_OFFSET, error->members[j].optional);
        }
    }
    ck_assert_uint_eq(in_file, in_table);
}
END_TEST

START_TEST(fields_lie_apart_and_inside_their_struct)
{
    static const size_t sizes[] = {
        [FIELD_TEXT] = sizeof(char *), [FIELD_INT] = sizeof(int64_t), [FIELD_BOOL] = sizeof(bool),
        [FIELD_TEXT_LIST] = sizeof(struct text_list), [FIELD_STRUCT] = sizeof(void *), [FIELD_STRUCT_LIST] = sizeof(struct struct_list)};
    for (size_t i = 0; i < 2 * method_schema_count; i++) {
        const struct schema *schema = i % 2 ? method_schemas[i / 2].call : method_schemas[i / 2].reply;
        char used[4096] = {0};
        ck_assert_uint_le(schema->size, sizeof used);
        for (size_t j = 0; j < schema->field_count; j++) {
            const struct field *field = &schema->fields[j];
            ck_assert_uint_le(field->offset + sizes[field->type], schema->size);
            for (size_t k = 0; k < sizes[field->type]; k++)
                ck_assert_msg(!used[field->offset + k]++, "%s.%s overlaps another", schema->name, field->name);
        }
    }
}
END_TEST

START_TEST(what_is_secret_is_marked)
{
    static const struct { const char *method, *field; bool call; } secrets[] = {
        {"Issue", "privateKey", false}, {"Renew", "privateKey", false}, {"Export", "privateKey", true},
        {"Export", "passphrase", true}, {"Export", "data", false}};
    size_t marked = 0;
    for (size_t i = 0; i < 2 * method_schema_count; i++) {
        const struct method_schema *row = &method_schemas[i / 2];
        const struct schema *schema = i % 2 ? row->call : row->reply;
        for (size_t j = 0; j < schema->field_count; j++) {
            bool expected = false;
            for (size_t k = 0; k < sizeof secrets / sizeof secrets[0]; k++)
                expected |= !strcmp(secrets[k].method, row->method) && !strcmp(secrets[k].field, schema->fields[j].name) &&
                            secrets[k].call == (i % 2 == 1);
            ck_assert_msg(schema->fields[j].secret == expected, "%s.%s", row->method, schema->fields[j].name);
            marked += expected;
        }
    }
    ck_assert_uint_eq(marked, sizeof secrets / sizeof secrets[0]);
}
END_TEST

START_TEST(a_method_is_found_by_its_bare_name_only)
{
    ck_assert_str_eq(method_schema_find("GetCRL")->method, "GetCRL");
    ck_assert_ptr_null(method_schema_find("getcrl"));
    ck_assert_ptr_null(method_schema_find("io.mtlsd.Agent.GetCRL"));
    ck_assert_ptr_null(method_schema_find(""));
}
END_TEST

START_TEST(a_method_without_parameters_takes_none)
{
    const struct schema *status = method_schema_find("Status")->call;
    struct failure failure;
    char nothing[8];
    ck_assert_uint_le(status->size, sizeof nothing);
    json_t *none = json_object(), *some = json_pack("{s:b}", "all", 1);
    ck_assert_int_eq(schema_decode(status, none, false, nothing, &failure), 0);
    ck_assert_int_eq(schema_decode(status, some, false, nothing, &failure), -1);
    ck_assert_str_eq(failure.field, "all");
    json_decref(none);
    json_decref(some);
}
END_TEST

/* One request all the way over the wire: struct, JSON, text, JSON, struct. */
START_TEST(a_call_survives_the_wire)
{
    const char *sans[] = {"DNS:alice.example.com", "email:alice@example.com"};
    const struct issue_call in = {.name = "alice", .sans = {sans, 2}, .life = "30d", .dry_run = true};
    const struct schema *schema = method_schema_find("Issue")->call;
    json_t *parameters = schema_encode(schema, &in);
    size_t length;
    char *text = message_format_call("io.mtlsd.Agent.Issue", parameters, false, false, &length);
    json_decref(parameters);
    struct message_call call;
    struct failure failure;
    ck_assert_int_eq(message_parse_call(text, length, &call, &failure), 0);
    message_text_free(text, length);
    struct issue_call out;
    ck_assert_int_eq(schema_decode(schema, call.parameters, false, &out, &failure), 0);
    ck_assert_str_eq(out.name, "alice");
    ck_assert_uint_eq(out.sans.count, 2);
    ck_assert_str_eq(out.sans.items[1], "email:alice@example.com");
    ck_assert_str_eq(out.life, "30d");
    ck_assert_ptr_null(out.profile);
    ck_assert(out.dry_run);
    schema_clear(schema, &out);
    message_call_clear(&call);
}
END_TEST

UNIT_MAIN("calls", every_method_of_the_file_is_in_the_table_in_order, every_member_agrees_with_the_file,
          every_error_agrees_with_the_file, fields_lie_apart_and_inside_their_struct, what_is_secret_is_marked,
          a_method_is_found_by_its_bare_name_only, a_method_without_parameters_takes_none, a_call_survives_the_wire)
