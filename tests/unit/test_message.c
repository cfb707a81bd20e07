/*
 * test_message.c - varlink's envelope: what is accepted, what each refusal names, and how failures travel.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/message.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static struct failure failure;

static void expect_call(const char *text, struct message_call *call)
{
    ck_assert_msg(message_parse_call(text, strlen(text), call, &failure) == 0, "%s: %s", text, failure.reason);
}

static void expect_refused_bytes(const char *text, size_t length, const char *field, long long offset, const char *says)
{
    struct message_call call = {.method = "untouched"};
    memset(&failure, 0, sizeof failure);
    ck_assert_msg(message_parse_call(text, length, &call, &failure) == -1, "accepted %s", text);
    ck_assert_int_eq(failure.code, FAILURE_BAD_REQUEST);
    ck_assert_str_eq(failure.field, field);
    ck_assert_msg(strstr(failure.reason, says) != NULL, "%s: %s", text, failure.reason);
    ck_assert_int_eq(failure.offset, offset);
    ck_assert_str_eq(call.method, "untouched");
}

static void expect_refused(const char *text, const char *field, long long offset, const char *says)
{
    expect_refused_bytes(text, strlen(text), field, offset, says);
}

START_TEST(a_call_has_a_method_parameters_and_flags)
{
    struct message_call call;
    expect_call("{\"method\":\"a.b.C\",\"parameters\":{\"x\":1},\"more\":true}", &call);
    ck_assert_str_eq(call.method, "a.b.C");
    ck_assert_int_eq(json_integer_value(json_object_get(call.parameters, "x")), 1);
    ck_assert(call.more && !call.oneway && !call.upgrade);
    message_call_clear(&call);
    expect_call("{\"oneway\":true,\"upgrade\":true,\"more\":false,\"method\":\"a.b.C\"}", &call);
    ck_assert(!call.more && call.oneway && call.upgrade);
    message_call_clear(&call);
}
END_TEST

START_TEST(missing_and_null_parameters_are_an_empty_object)
{
    static const char *const texts[] = {"{\"method\":\"a.B\"}", "{\"method\":\"a.B\",\"parameters\":null,\"more\":null}",
                                        "{\"method\":\"a.B\",\"parameters\":{}}"};
    for (size_t i = 0; i < 3; i++) {
        struct message_call call;
        expect_call(texts[i], &call);
        ck_assert(json_is_object(call.parameters));
        ck_assert_uint_eq(json_object_size(call.parameters), 0);
        ck_assert(!call.more);
        message_call_clear(&call);
        ck_assert_ptr_null(call.root);
    }
}
END_TEST

START_TEST(the_text_need_not_end_in_a_nul)
{
    struct message_call call;
    ck_assert_int_eq(message_parse_call("{\"method\":\"a.B\"}junk", 16, &call, &failure), 0);
    message_call_clear(&call);
}
END_TEST

START_TEST(what_is_not_json_has_an_offset_and_no_field)
{
    expect_refused("", "", 0, "ends in the middle");
    expect_refused("{", "", 1, "ends in the middle");
    expect_refused("nonsense", "", 8, "not valid JSON");
    expect_refused("{'method':1}", "", 2, "not valid JSON");
    expect_refused("{\"method\":\"a.B\"", "", 15, "ends in the middle");
    expect_refused("{\"method\":\"a.B\"} x", "", 18, "something follows");
    expect_refused("{\"method\":\"a.B\"}{}", "", 17, "something follows");
    expect_refused("{\"method\":\"a.B\",\"method\":\"a.C\"}", "", 24, "given twice");
    expect_refused("{\"method\":\"a.B\",\"parameters\":{\"x\":1,\"x\":1}}", "", 39, "given twice");
    expect_refused("{\"method\":\"a.B\",\"parameters\":{\"x\":99999999999999999999}}", "", 54, "too large");
}
END_TEST

START_TEST(what_is_no_text_is_refused)
{
    expect_refused("{\"method\":\"a.\xff\"}", "", 13, "UTF-8");
    expect_refused("{\"method\":\"a.\xc0\xaf\"}", "", 13, "UTF-8");
    expect_refused("{\"method\":\"a.\xed\xa0\x80\"}", "", 13, "UTF-8");
    expect_refused("{\"method\":\"a.\\u0000B\"}", "", 21, "NUL");
    expect_refused("{\"meth\\u0000od\":\"a.B\"}", "", 15, "NUL");
    expect_refused_bytes("{\"method\":\"a.B\0C\"}", 18, "", 14, "NUL");
    expect_refused("{\"method\":\"a.\\ud800\"}", "", 20, "not valid JSON");
    expect_refused("{\"method\":\"a.\nB\"}", "", 13, "not valid JSON");
}
END_TEST

START_TEST(what_is_no_object_is_refused)
{
    expect_refused("[]", "", 0, "not a JSON object");
    expect_refused("[{\"method\":\"a.B\"}]", "", 0, "not a JSON object");
    expect_refused("null", "", 4, "not valid JSON"); /* no value but an object or array stands alone in RFC 4627 */
}
END_TEST

START_TEST(the_envelope_is_strict_and_names_its_member)
{
    expect_refused("{}", "method", -1, "missing");
    expect_refused("{\"method\":null}", "method", -1, "missing");
    expect_refused("{\"method\":7}", "method", -1, "string");
    expect_refused("{\"method\":\"a.B\",\"parameters\":[]}", "parameters", -1, "object");
    expect_refused("{\"method\":\"a.B\",\"parameters\":\"x\"}", "parameters", -1, "object");
    expect_refused("{\"method\":\"a.B\",\"more\":1}", "more", -1, "true or false");
    expect_refused("{\"method\":\"a.B\",\"oneway\":\"true\"}", "oneway", -1, "true or false");
    expect_refused("{\"method\":\"a.B\",\"extra\":true}", "extra", -1, "no such member");
    expect_refused("{\"method\":\"a.B\",\"Method\":\"a.B\"}", "Method", -1, "no such member");
    expect_refused("{\"method\":\"a.B\",\"more\":true,\"oneway\":true}", "oneway", -1, "more");
}
END_TEST

START_TEST(a_methods_name_is_bounded)
{
    for (int length = MESSAGE_METHOD_MAX; length <= MESSAGE_METHOD_MAX + 1; length++) {
        char text[MESSAGE_METHOD_MAX + 32], name[MESSAGE_METHOD_MAX + 2];
        memset(name, 'm', (size_t)length);
        name[length] = '\0';
        snprintf(text, sizeof text, "{\"method\":\"%s\"}", name);
        struct message_call call;
        ck_assert_int_eq(message_parse_call(text, strlen(text), &call, &failure), length > MESSAGE_METHOD_MAX ? -1 : 0);
        if (length <= MESSAGE_METHOD_MAX)
            message_call_clear(&call);
        else
            ck_assert_str_eq(failure.field, "method");
    }
}
END_TEST

/* Depth 1 is the envelope, 2 the parameters. */
static size_t nested(char *text, int depth)
{
    size_t length = (size_t)snprintf(text, 64, "{\"method\":\"a.B\",\"parameters\":{\"x\":");
    for (int i = 2; i < depth; i++)
        text[length++] = '[';
    text[length++] = '1';
    for (int i = 2; i < depth; i++)
        text[length++] = ']';
    memcpy(text + length, "}}", 3);
    return length + 2;
}

START_TEST(nesting_is_bounded)
{
    static char text[200000];
    struct message_call call;
    ck_assert_int_eq(message_parse_call(text, nested(text, MESSAGE_DEPTH_MAX), &call, &failure), 0);
    message_call_clear(&call);
    nested(text, MESSAGE_DEPTH_MAX + 1);
    expect_refused(text, "", 40, "too deep");
    nested(text, 90000);
    expect_refused(text, "", 40, "too deep");
    memset(text, '[', 100000);
    text[100000] = '\0';
    expect_refused(text, "", MESSAGE_DEPTH_MAX, "too deep");
}
END_TEST

START_TEST(brackets_inside_texts_are_no_nesting)
{
    struct message_call call;
    expect_call("{\"method\":\"a.B\",\"parameters\":{\"[[[[[[[[[[\":\"{{{{{{{{{{\\\"{{{{{{{{{{\\\\\",\"y\":\"\\\\\\\"[[[[[[[[[[\"}}", &call);
    ck_assert_uint_eq(json_object_size(call.parameters), 2);
    message_call_clear(&call);
    expect_refused("{\"method\":\"a.B\",\"parameters\":{\"x\":\"\\\\\",\"y\":[[[[[[[[[[1]]]]]]]]]]}}", "", 49, "too deep");
}
END_TEST

START_TEST(a_sentence_never_quotes_what_was_sent)
{
    struct message_call call;
    static const char text[] = "{\"method\":\"a.B\",\"parameters\":{\"passphrase\":\"swordfish\" oops}}";
    ck_assert_int_eq(message_parse_call(text, strlen(text), &call, &failure), -1);
    ck_assert_ptr_null(strstr(failure.reason, "swordfish"));
    ck_assert_ptr_null(strstr(failure.reason, "oops"));
}
END_TEST

START_TEST(a_call_reads_back_as_it_was_written)
{
    size_t length;
    json_t *parameters = json_pack("{s:s, s:[s]}", "name", "Zo\xc3\xab \"x\" /", "sans", "DNS:a");
    char *text = message_format_call("a.b.C", parameters, true, false, &length);
    ck_assert_uint_eq(strlen("{\"method\":\"a.b.C\",\"parameters\":{\"name\":\"Zo\xc3\xab \\\"x\\\" /\",\"sans\":[\"DNS:a\"]},\"more\":true}"),
                      length);
    ck_assert_mem_eq(text, "{\"method\":\"a.b.C\",\"parameters\":{\"name\":\"Zo\xc3\xab \\\"x\\\" /\",\"sans\":[\"DNS:a\"]},\"more\":true}", length);
    struct message_call call;
    ck_assert_int_eq(message_parse_call(text, length, &call, &failure), 0);
    ck_assert(json_equal(call.parameters, parameters));
    ck_assert(call.more && !call.oneway);
    message_call_clear(&call);
    message_text_free(text, length);
    json_decref(parameters);

    text = message_format_call("a.B", NULL, false, true, &length);
    ck_assert_uint_eq(length, strlen("{\"method\":\"a.B\",\"parameters\":{},\"oneway\":true}"));
    ck_assert_mem_eq(text, "{\"method\":\"a.B\",\"parameters\":{},\"oneway\":true}", length);
    message_text_free(text, length);
}
END_TEST

START_TEST(a_reply_reads_back_as_it_was_written)
{
    char value[5000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    json_t *parameters = json_pack("{s:s}", "pem", value);
    size_t length;
    char *text = message_format_reply(parameters, true, &length);
    struct message_reply reply;
    ck_assert_int_eq(message_parse_reply(text, length, &reply, &failure), 0);
    ck_assert_str_eq(json_string_value(json_object_get(reply.parameters, "pem")), value);
    ck_assert(reply.continues);
    ck_assert_ptr_null(reply.error);
    message_reply_clear(&reply);
    message_text_free(text, length);
    json_decref(parameters);

    text = message_format_reply(NULL, false, &length);
    ck_assert_mem_eq(text, "{\"parameters\":{}}", length);
    message_text_free(text, length);
    ck_assert_int_eq(message_parse_reply("{\"parameters\":{},\"error\":7}", 27, &reply, &failure), -1);
    ck_assert_str_eq(failure.field, "error");
    ck_assert_int_eq(message_parse_reply("{\"method\":\"a.B\"}", 16, &reply, &failure), -1);
    ck_assert_str_eq(failure.field, "method");
}
END_TEST

static void expect_failure_text(const struct failure *in, const char *expected)
{
    size_t length;
    char *text = message_format_failure(in, &length);
    ck_assert_ptr_nonnull(text);
    ck_assert_msg(length == strlen(expected) && !memcmp(text, expected, length), "%.*s", (int)length, text);
    message_text_free(text, length);
}

START_TEST(failures_have_the_parameters_of_the_interface)
{
    failure_set(&failure, FAILURE_INVALID_PARAMETER, "sans[2]", "sans[2]: expected a string");
    expect_failure_text(&failure, "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"sans[2]\"}}");
    failure_set(&failure, FAILURE_METHOD_NOT_FOUND, "a.b.C", "none");
    expect_failure_text(&failure, "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"a.b.C\"}}");
    failure_set(&failure, FAILURE_INTERFACE_NOT_FOUND, "a.b", "none");
    expect_failure_text(&failure, "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":\"a.b\"}}");
    failure_set(&failure, FAILURE_BAD_REQUEST, "life", "too long");
    expect_failure_text(&failure, "{\"error\":\"io.mtlsd.Agent.BadRequest\",\"parameters\":{\"field\":\"life\",\"reason\":\"too long\"}}");
    failure.offset = 12;
    expect_failure_text(&failure,
                        "{\"error\":\"io.mtlsd.Agent.BadRequest\",\"parameters\":{\"field\":\"life\",\"reason\":\"too long\",\"offset\":12}}");
    failure_set(&failure, FAILURE_PENDING, "t1", "waiting");
    expect_failure_text(&failure, "{\"error\":\"io.mtlsd.Agent.Pending\",\"parameters\":{\"ticket\":\"t1\"}}");
    failure_set(&failure, FAILURE_CONFLICT, NULL, "two");
    snprintf(failure.serials[0], sizeof failure.serials[0], "0a");
    snprintf(failure.serials[1], sizeof failure.serials[1], "0b");
    failure.serial_count = 2;
    expect_failure_text(&failure, "{\"error\":\"io.mtlsd.Agent.Conflict\",\"parameters\":{\"reason\":\"two\",\"serials\":[\"0a\",\"0b\"]}}");
}
END_TEST

START_TEST(a_failure_comes_out_as_it_went_in)
{
    struct failure out;
    failure_set(&failure, FAILURE_NOT_PERMITTED, NULL, "denied: issue DNS:x by karen");
    snprintf(failure.operation, sizeof failure.operation, "issue");
    snprintf(failure.service, sizeof failure.service, "default");
    snprintf(failure.line, sizeof failure.line, "policy.d/default:3 name");
    size_t length;
    char *text = message_format_failure(&failure, &length);
    struct message_reply reply;
    ck_assert_int_eq(message_parse_reply(text, length, &reply, &out), 0);
    ck_assert_str_eq(reply.error, "io.mtlsd.Agent.NotPermitted");
    message_failure(&reply, &out);
    ck_assert_mem_eq(&out, &failure, sizeof out);
    message_reply_clear(&reply);
    message_text_free(text, length);
}
END_TEST

static void expect_read_failure(const char *text, enum failure_code code, const char *reason)
{
    struct message_reply reply;
    ck_assert_int_eq(message_parse_reply(text, strlen(text), &reply, &failure), 0);
    message_failure(&reply, &failure);
    ck_assert_int_eq(failure.code, code);
    ck_assert_str_eq(failure.reason, reason);
    message_reply_clear(&reply);
}

START_TEST(the_client_always_gets_a_sentence)
{
    expect_read_failure("{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"io.mtlsd.Agent.Fly\"}}",
                        FAILURE_METHOD_NOT_FOUND, "the agent has no method io.mtlsd.Agent.Fly");
    expect_read_failure("{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"wings\"}}",
                        FAILURE_INVALID_PARAMETER, "the agent does not accept the parameter wings");
    expect_read_failure("{\"error\":\"io.mtlsd.Agent.Busy\"}", FAILURE_BUSY, "the agent gave no reason for io.mtlsd.Agent.Busy");
    expect_read_failure("{\"error\":\"com.example.Odd\"}", FAILURE_INTERNAL, "the agent gave no reason for com.example.Odd");
    expect_read_failure("{\"error\":\"io.mtlsd.Agent.Busy\",\"parameters\":{\"reason\":\"full\\nof\\u001b[31m\"}}", FAILURE_BUSY,
                        "full?of?[31m");
    expect_read_failure("{\"error\":\"io.mtlsd.Agent.Busy\",\"parameters\":{\"reason\":7}}", FAILURE_BUSY,
                        "the agent gave no reason for io.mtlsd.Agent.Busy");
}
END_TEST

START_TEST(more_serials_than_fit_are_dropped_and_odd_ones_too)
{
    char text[4000] = "{\"error\":\"io.mtlsd.Agent.Conflict\",\"parameters\":{\"reason\":\"many\",\"serials\":[7,"
                      "\"00112233445566778899aabbccddeeff0011223344556677\"";
    for (int i = 0; i < 30; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), ",\"%02x\"", i);
    snprintf(text + strlen(text), sizeof text - strlen(text), "]}}");
    struct message_reply reply;
    ck_assert_int_eq(message_parse_reply(text, strlen(text), &reply, &failure), 0);
    message_failure(&reply, &failure);
    ck_assert_uint_eq(failure.serial_count, FAILURE_SERIALS_MAX);
    ck_assert_str_eq(failure.serials[0], "00");
    ck_assert_str_eq(failure.serials[FAILURE_SERIALS_MAX - 1], "13");
    message_reply_clear(&reply);
}
END_TEST

START_TEST(the_wiping_allocator_serves_json_as_before)
{
    message_use_wiping_allocator();
    struct message_call call;
    expect_call("{\"method\":\"a.B\",\"parameters\":{\"passphrase\":\"swordfish swordfish swordfish\"}}", &call);
    /* The bytes of a freed text must be gone; a block of this size keeps its place until the next malloc of the size, and only
     * its first 16 bytes are used by the C library's free lists. */
    const volatile char *text = json_string_value(json_object_get(call.parameters, "passphrase"));
    ck_assert_int_eq(text[20], 's');
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    message_call_clear(&call);
    ck_assert_int_eq(text[20], '\0');
#else
    message_call_clear(&call);
#endif
}
END_TEST

UNIT_MAIN("message", a_call_has_a_method_parameters_and_flags, missing_and_null_parameters_are_an_empty_object,
          the_text_need_not_end_in_a_nul, what_is_not_json_has_an_offset_and_no_field, what_is_no_text_is_refused,
          what_is_no_object_is_refused, the_envelope_is_strict_and_names_its_member, a_methods_name_is_bounded, nesting_is_bounded,
          brackets_inside_texts_are_no_nesting, a_sentence_never_quotes_what_was_sent, a_call_reads_back_as_it_was_written,
          a_reply_reads_back_as_it_was_written, failures_have_the_parameters_of_the_interface, a_failure_comes_out_as_it_went_in,
          the_client_always_gets_a_sentence, more_serials_than_fit_are_dropped_and_odd_ones_too,
          the_wiping_allocator_serves_json_as_before)
