/*
 * test_service.c - org.varlink.service answers from the interface file itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/service.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static struct failure failure;

static int answer(const char *method, json_t *parameters, json_t **reply)
{
    struct message_call call = {.method = method, .parameters = parameters};
    *reply = NULL;
    memset(&failure, 0, sizeof failure);
    int result = service_answer(&call, reply, &failure);
    json_decref(parameters);
    return result;
}

static const char *text_of(const json_t *reply, const char *name)
{
    return json_string_value(json_object_get(reply, name));
}

START_TEST(get_info_says_who_and_what)
{
    json_t *reply;
    ck_assert_int_eq(answer("org.varlink.service.GetInfo", json_object(), &reply), 1);
    ck_assert_uint_eq(json_object_size(reply), 5);
    ck_assert_str_eq(text_of(reply, "vendor"), "mtlsd");
    ck_assert_str_eq(text_of(reply, "product"), "mtlsd");
    ck_assert_str_eq(text_of(reply, "version"), MTLSD_VERSION);
    ck_assert_str_eq(text_of(reply, "url"), MTLSD_URL);
    json_t *expected = json_pack("[s,s]", "org.varlink.service", MTLSD_INTERFACE);
    ck_assert(json_equal(json_object_get(reply, "interfaces"), expected));
    json_decref(expected);
    json_decref(reply);
}
END_TEST

START_TEST(the_description_is_the_file_byte_for_byte)
{
    static char file[100000];
    FILE *stream = fopen("proto/io.mtlsd.Agent.varlink", "re");
    ck_assert_msg(stream != NULL, "run from the top of the source tree");
    size_t length = fread(file, 1, sizeof file - 1, stream);
    fclose(stream);
    file[length] = '\0';
    json_t *reply;
    ck_assert_int_eq(answer("org.varlink.service.GetInterfaceDescription", json_pack("{s:s}", "interface", MTLSD_INTERFACE), &reply), 1);
    ck_assert_str_eq(text_of(reply, "description"), file);
    ck_assert_uint_eq(json_object_size(reply), 1);
    json_decref(reply);
}
END_TEST

START_TEST(the_service_interface_describes_itself)
{
    json_t *reply;
    ck_assert_int_eq(answer("org.varlink.service.GetInterfaceDescription", json_pack("{s:s}", "interface", "org.varlink.service"),
                            &reply), 1);
    const char *text = text_of(reply, "description");
    static const char *const parts[] = {
        "interface org.varlink.service\n", "method GetInfo() -> (", "interfaces: []string",
        "method GetInterfaceDescription(interface: string) -> (description: string)\n", "error InterfaceNotFound (interface: string)\n",
        "error MethodNotFound (method: string)\n", "error MethodNotImplemented (method: string)\n",
        "error InvalidParameter (parameter: string)\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        ck_assert_msg(strstr(text, parts[i]) != NULL, "lacks %s", parts[i]);
    json_decref(reply);
}
END_TEST

START_TEST(refusals_are_varlinks_own)
{
    json_t *reply;
    ck_assert_int_eq(answer("org.varlink.service.GetInterfaceDescription", json_pack("{s:s}", "interface", "com.example"), &reply), -1);
    ck_assert_int_eq(failure.code, FAILURE_INTERFACE_NOT_FOUND);
    ck_assert_str_eq(failure.field, "com.example");
    ck_assert_int_eq(answer("org.varlink.service.GetInterfaceDescription", json_object(), &reply), -1);
    ck_assert_int_eq(failure.code, FAILURE_INVALID_PARAMETER);
    ck_assert_str_eq(failure.field, "interface");
    ck_assert_int_eq(answer("org.varlink.service.GetInfo", json_pack("{s:i}", "x", 1), &reply), -1);
    ck_assert_int_eq(failure.code, FAILURE_INVALID_PARAMETER);
    ck_assert_str_eq(failure.field, "x");
    ck_assert_int_eq(answer("org.varlink.service.Fly", json_object(), &reply), -1);
    ck_assert_int_eq(failure.code, FAILURE_METHOD_NOT_FOUND);
    ck_assert_str_eq(failure.field, "org.varlink.service.Fly");
    ck_assert_ptr_null(reply);
}
END_TEST

START_TEST(other_interfaces_are_left_to_others)
{
    static const char *const methods[] = {"io.mtlsd.Agent.Status", "org.varlink.serviceGetInfo", "org.varlink.service",
                                          "org.varlink.service.x.GetInfo", "GetInfo", ""};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        json_t *reply;
        ck_assert_int_eq(answer(methods[i], json_object(), &reply), 0);
        ck_assert_ptr_null(reply);
    }
}
END_TEST

START_TEST(a_method_of_ours_is_split_and_others_are_named)
{
    ck_assert_str_eq(service_method("io.mtlsd.Agent.Issue", &failure), "Issue");
    ck_assert_str_eq(service_method("io.mtlsd.Agent.", &failure), ""); /* no such method: method_schema_find says so */
    static const struct { const char *method; enum failure_code code; const char *field; } bad[] = {
        {"Issue", FAILURE_METHOD_NOT_FOUND, "Issue"},
        {"", FAILURE_METHOD_NOT_FOUND, ""},
        {"io.mtlsd.Agent", FAILURE_INTERFACE_NOT_FOUND, "io.mtlsd"},
        {"io.mtlsd.agent.Issue", FAILURE_INTERFACE_NOT_FOUND, "io.mtlsd.agent"},
        {"io.mtlsd.Agent.Sub.Issue", FAILURE_INTERFACE_NOT_FOUND, "io.mtlsd.Agent.Sub"},
        {"io.mtlsd.AgentIssue", FAILURE_INTERFACE_NOT_FOUND, "io.mtlsd"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_ptr_null(service_method(bad[i].method, &failure));
        ck_assert_int_eq(failure.code, bad[i].code);
        ck_assert_str_eq(failure.field, bad[i].field);
    }
}
END_TEST

UNIT_MAIN("service", get_info_says_who_and_what, the_description_is_the_file_byte_for_byte, the_service_interface_describes_itself,
          refusals_are_varlinks_own, other_interfaces_are_left_to_others, a_method_of_ours_is_split_and_others_are_named)
