/*
 * test_libmtls.c - the client library against a scripted peer: what an agent may send, and what nobody should.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/scripted_peer.h"

#include <stdio.h>

START_TEST(a_reply_becomes_a_typed_result)
{
    struct script script = {REPLY("{\"parameters\":" ISSUED "}")};
    struct mtls *mtls = start(&script);
    const char *sans[] = {"DNS:alice", "email:a@example.com"};
    struct mtls_issue_request request = {.name = "alice", .sans = {sans, 2}, .life = "90d"};
    struct mtls_issue_result *result;
    ck_assert_int_eq(mtls_issue(mtls, &request, &result), 0);
    ck_assert(result->changed);
    ck_assert_str_eq(result->certificate->name, "alice");
    ck_assert_int_eq(result->certificate->requester_uid, 1000);
    ck_assert_ptr_null(result->certificate->label);
    ck_assert_str_eq(result->chain.items[0], "MIDDLE");
    ck_assert_str_eq(result->private_key, "SECRET");
    ck_assert_ptr_null(strstr(mtls_result_json(result), "SECRET"));
    ck_assert_ptr_nonnull(strstr(mtls_result_json(result), "\"pem\":\"LEAF\""));
    mtls_result_free(result);
    finish(mtls, &script);
    ck_assert_str_eq(
        script.call,
        "{\"method\":\"io.mtlsd.Agent.Issue\",\"parameters\":{\"name\":\"alice\",\"sans\":[\"DNS:alice\","
        "\"email:a@example.com\"],\"life\":\"90d\"}}");
}
END_TEST

START_TEST(what_is_not_given_is_not_sent)
{
    struct script script = {REPLY("{\"parameters\":{\"changed\":true,\"count\":1,\"serials\":[\"01\"]}}")};
    struct mtls *mtls = start(&script);
    uint32_t root = 0;
    struct mtls_revoke_request request = {.requester_uid = &root, .several = true};
    struct mtls_revoke_result *result;
    ck_assert_int_eq(mtls_revoke(mtls, &request, &result), 0);
    ck_assert_int_eq(result->count, 1);
    mtls_result_free(result);
    finish(mtls, &script);
    ck_assert_str_eq(
        script.call,
        "{\"method\":\"io.mtlsd.Agent.Revoke\",\"parameters\":{\"requesterUid\":0,\"several\":true}}");
}
END_TEST

START_TEST(a_reply_may_come_byte_by_byte)
{
    struct script script = {REPLY(RELOADED), .piece = 1, .pause_ms = 1};
    struct mtls *mtls = start(&script);
    struct mtls_reload_result *result;
    ck_assert_int_eq(mtls_reload(mtls, &result), 0);
    ck_assert_int_eq(result->generation, 7);
    mtls_result_free(result);
    finish(mtls, &script);
}
END_TEST

START_TEST(a_newer_agent_may_tell_more)
{
    struct script script = {REPLY("{\"parameters\":{\"generation\":7,\"colour\":\"green\"}}")};
    struct mtls *mtls = start(&script);
    struct mtls_reload_result *result;
    ck_assert_int_eq(mtls_reload(mtls, &result), 0);
    mtls_result_free(result);
    finish(mtls, &script);
}
END_TEST

START_TEST(a_slow_peer_meets_the_timeout)
{
    struct script script = {REPLY(RELOADED), .piece = 1, .pause_ms = 20};
    struct mtls *mtls = start(&script);
    struct mtls_reload_result *result = NULL;
    mtls_set_timeout(mtls, 100);
    ck_assert_int_eq(mtls_reload(mtls, &result), -1);
    ck_assert_ptr_null(result);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_TIMEOUT);
    ck_assert_int_eq(mtls_fd(mtls), -1); /* a late reply must not be taken for the next one */
    finish(mtls, &script);
}
END_TEST

static void expect_error(const char *reply, size_t size, enum mtls_code code)
{
    struct script script = {.reply = reply, .size = size, .close_after = true};
    struct mtls *mtls = start(&script);
    struct mtls_reload_result *result = NULL;
    ck_assert_int_eq(mtls_reload(mtls, &result), -1);
    ck_assert_ptr_null(result);
    ck_assert_msg(mtls_error_code(mtls) == code, "%d (%s) where %d was expected", mtls_error_code(mtls),
                  mtls_error_message(mtls), code);
    ck_assert_uint_gt(strlen(mtls_error_message(mtls)), 10);
    finish(mtls, &script);
}

START_TEST(garbage_is_no_answer)
{
    static const char *const garbage[] = {
        "",
        "x",
        "SSH-2.0-OpenSSH_9.2",
        "{",
        "[]",
        "null",
        "{\"parameters\":7}",
        "{\"parameters\":{}}",
        "{\"parameters\":{\"generation\":\"7\"}}",
        "{\"parameters\":{\"generation\":7},\"parameters\":{}}",
        "{\"parameters\":{\"generation\":7},\"continues\":true}",
        "{\"parameters\":{\"generation\":1e400}}",
        "{\"error\":7}",
        "{\"parameters\":{\"generation\":7}}x",
        "{\"parameters\":[[[[[[[[[[[[]]]]]]]]]]]]}",
        "{\"parameters\":{\"x\":\"\xff\",\"generation\":7}}",
        "\xef\xbb\xbf{}",
    };
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++)
        expect_error(garbage[i], strlen(garbage[i]) + 1, MTLS_PROTOCOL);
}
END_TEST

START_TEST(closed_in_the_middle_leaves_the_outcome_unknown)
{
    for (size_t size = 0; size < sizeof RELOADED; size++) /* every place but after the NUL */
        expect_error(RELOADED, size, MTLS_DISCONNECTED);
}
END_TEST

START_TEST(closed_before_it_answers)
{
    struct script script = {.close_early = true};
    struct mtls *mtls = start(&script);
    struct mtls_reload_result *result;
    ck_assert_int_eq(mtls_reload(mtls, &result), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_DISCONNECTED);
    ck_assert_int_eq(mtls_reload(mtls, &result), -1); /* there is no path to connect to again */
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_UNREACHABLE);
    finish(mtls, &script);
}
END_TEST

START_TEST(a_huge_reply_ends_the_connection)
{
    size_t size = (size_t)MTLS_REPLY_MAX + 4096;
    char *reply = malloc(size);
    ck_assert_ptr_nonnull(reply);
    memset(reply, ' ', size);
    expect_error(reply, size, MTLS_PROTOCOL);
    free(reply);
}
END_TEST

START_TEST(a_named_error_has_its_fields)
{
    struct script script = {REPLY(
        "{\"error\":\"io.mtlsd.Agent.NotPermitted\",\"parameters\":{\"reason\":\"denied: issue DNS:x by karen (uid 1001): "
        "policy.d/default:3 name\",\"operation\":\"issue\",\"service\":\"default\",\"line\":\"policy.d/default:3 name\"}}")};
    struct mtls *mtls = start(&script);
    struct mtls_status_result *result;
    ck_assert_int_eq(mtls_status(mtls, &result), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_NOT_PERMITTED);
    ck_assert_str_eq(mtls_error_name(mtls), "io.mtlsd.Agent.NotPermitted");
    ck_assert_str_eq(mtls_error_operation(mtls), "issue");
    ck_assert_str_eq(mtls_error_service(mtls), "default");
    ck_assert_str_eq(mtls_error_line(mtls), "policy.d/default:3 name");
    ck_assert_str_eq(mtls_error_message(mtls),
                     "denied: issue DNS:x by karen (uid 1001): policy.d/default:3 name");
    ck_assert_str_eq(mtls_error_ticket(mtls), "");
    ck_assert_int_ge(mtls_fd(mtls), 0); /* an error is an answer: the connection lives on */
    finish(mtls, &script);
}
END_TEST

START_TEST(a_conflict_has_serials)
{
    struct script script = {REPLY(
        "{\"error\":\"io.mtlsd.Agent.Conflict\",\"parameters\":{\"reason\":\"two fit\",\"serials\":[\"01\",\"02\"]}}")};
    struct mtls *mtls = start(&script);
    struct mtls_status_result *result;
    ck_assert_int_eq(mtls_status(mtls, &result), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_CONFLICT);
    ck_assert_uint_eq(mtls_error_serial_count(mtls), 2);
    ck_assert_str_eq(mtls_error_serial(mtls, 1), "02");
    ck_assert_ptr_null(mtls_error_serial(mtls, 2));
    ck_assert_ptr_nonnull(strstr(mtls_error_parameters(mtls), "\"two fit\""));
    finish(mtls, &script);
}
END_TEST

START_TEST(what_waits_for_approval_has_a_ticket)
{
    struct script script = {
        REPLY("{\"error\":\"io.mtlsd.Agent.Pending\",\"parameters\":{\"ticket\":\"t-1\"}}")};
    struct mtls *mtls = start(&script);
    struct mtls_status_result *result;
    ck_assert_int_eq(mtls_status(mtls, &result), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_PENDING);
    ck_assert_str_eq(mtls_error_ticket(mtls), "t-1");
    ck_assert_str_eq(mtls_error_field(mtls), "");
    finish(mtls, &script);
}
END_TEST

START_TEST(an_answer_too_many_is_not_taken_for_the_next)
{
    struct script script = {REPLY(RELOADED "\0" RELOADED)};
    struct mtls *mtls = start(&script);
    struct mtls_reload_result *result;
    ck_assert_int_eq(mtls_reload(mtls, &result), 0);
    mtls_result_free(result);
    ck_assert_int_eq(mtls_reload(mtls, &result), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_UNREACHABLE);
    finish(mtls, &script);
}
END_TEST

START_TEST(an_unknown_error_is_named)
{
    static const char *const names[] = {"com.example.Strange", "io.mtlsd.Agent.Strange", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char reply[256];
        int length = snprintf(reply, sizeof reply,
                              "{\"error\":\"%s\",\"parameters\":{\"reason\":\"because\"}}", names[i]);
        struct script script = {.reply = reply, .size = (size_t)length + 1};
        struct mtls *mtls = start(&script);
        struct mtls_status_result *result;
        ck_assert_int_eq(mtls_status(mtls, &result), -1);
        ck_assert_int_eq(mtls_error_code(mtls), MTLS_UNKNOWN_ERROR);
        ck_assert_str_eq(mtls_error_name(mtls), names[i]);
        ck_assert_ptr_nonnull(strstr(mtls_error_message(mtls), "because"));
        finish(mtls, &script);
    }
}
END_TEST

START_TEST(a_text_that_cannot_be_sent_is_refused_here)
{
    struct script script = {REPLY(RELOADED)};
    struct mtls *mtls = start(&script);
    struct mtls_issue_request request = {.name = "\xff"};
    struct mtls_issue_result *result;
    ck_assert_int_eq(mtls_issue(mtls, &request, &result), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_BAD_REQUEST);
    char *large = calloc(1, MTLS_REQUEST_MAX + 1);
    memset(large, 'a', MTLS_REQUEST_MAX);
    request.name = large;
    ck_assert_int_eq(mtls_issue(mtls, &request, &result), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_BAD_REQUEST);
    free(large);
    struct mtls_reload_result *reloaded; /* and the connection is as it was */
    ck_assert_int_eq(mtls_reload(mtls, &reloaded), 0);
    mtls_result_free(reloaded);
    finish(mtls, &script);
}
END_TEST

static int count_page(const struct mtls_list_result *page, void *context)
{
    size_t *count = context;
    *count += page->certificates.count;
    return 0;
}

static int stop_at_once(const struct mtls_list_result *page, void *context)
{
    (void)page;
    (void)context;
    return 1;
}

#define PAGES \
    "{\"parameters\":{\"certificates\":[" CERTIFICATE "," CERTIFICATE "]},\"continues\":true}\0" \
    "{\"parameters\":{\"certificates\":[]},\"continues\":true}\0" \
    "{\"parameters\":{\"certificates\":[" CERTIFICATE "]}}"

START_TEST(a_list_streams_pages)
{
    struct script script = {REPLY(PAGES), .piece = 100};
    struct mtls *mtls = start(&script);
    struct mtls_list_request request = {.status = "live"};
    size_t count = 0;
    ck_assert_int_eq(mtls_list(mtls, &request, count_page, &count), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_ptr_nonnull(strstr(script.call, "\"more\":true"));
    finish(mtls, &script);
}
END_TEST

START_TEST(a_listing_can_be_stopped)
{
    struct script script = {REPLY(PAGES)};
    struct mtls *mtls = start(&script);
    struct mtls_list_request request = {0};
    ck_assert_int_eq(mtls_list(mtls, &request, stop_at_once, NULL), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_STOPPED);
    ck_assert(!mtls_call_pending(mtls));
    ck_assert_int_eq(mtls_fd(mtls), -1); /* the other pages are not to be mistaken for answers */
    finish(mtls, &script);
}
END_TEST

struct collected {
    unsigned char data[64];
    size_t length;
};

static int collect(const struct mtls_crl_chunk *chunk, void *context)
{
    struct collected *collected = context;
    memcpy(collected->data + collected->length, chunk->data, chunk->length);
    collected->length += chunk->length;
    return 0;
}

#define PIECE(number, size, data) \
    "{\"parameters\":{\"number\":" number ",\"thisUpdate\":\"t\",\"nextUpdate\":\"n\",\"size\":" size \
    ",\"data\":\"" data "\"}"

static int fetch_crl(const char *reply, size_t size, struct collected *collected, enum mtls_code *code)
{
    struct script script = {.reply = reply, .size = size, .close_after = true};
    struct mtls *mtls = start(&script);
    int result = mtls_get_crl(mtls, collect, collected);
    *code = mtls_error_code(mtls);
    finish(mtls, &script);
    return result;
}

START_TEST(a_crl_comes_in_pieces)
{
    static const char reply[] = PIECE("5", "5", "AAEC") ",\"continues\":true}\0" PIECE("5", "5", "AwQ=") "}";
    struct collected collected = {.length = 0};
    enum mtls_code code;
    ck_assert_int_eq(fetch_crl(reply, sizeof reply, &collected, &code), 0);
    ck_assert_uint_eq(collected.length, 5);
    ck_assert_mem_eq(collected.data, "\0\1\2\3\4", 5);
}
END_TEST

START_TEST(pieces_that_do_not_fit_are_no_crl)
{
    static const char another[] =
        PIECE("5", "6", "AAEC") ",\"continues\":true}\0" PIECE("6", "6", "AAEC") "}";
    static const char too_long[] = PIECE("5", "2", "AAEC") "}", too_short[] = PIECE("5", "4", "AAEC") "}";
    static const char negative[] = PIECE("5", "-1", "") "}", text[] = PIECE("5", "3", "AA?C") "}";
    const struct {
        const char *reply;
        size_t size;
    } cases[] = {
        {another, sizeof another},   {too_long, sizeof too_long}, {too_short, sizeof too_short},
        {negative, sizeof negative}, {text, sizeof text},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct collected collected = {.length = 0};
        enum mtls_code code;
        ck_assert_int_eq(fetch_crl(cases[i].reply, cases[i].size, &collected, &code), -1);
        ck_assert_int_eq(code, MTLS_PROTOCOL);
    }
}
END_TEST

UNIT_MAIN("libmtls", a_reply_becomes_a_typed_result, what_is_not_given_is_not_sent,
          a_reply_may_come_byte_by_byte, a_newer_agent_may_tell_more, a_slow_peer_meets_the_timeout,
          garbage_is_no_answer, closed_in_the_middle_leaves_the_outcome_unknown,
          closed_before_it_answers, a_huge_reply_ends_the_connection, a_named_error_has_its_fields,
          a_conflict_has_serials, what_waits_for_approval_has_a_ticket,
          an_answer_too_many_is_not_taken_for_the_next, an_unknown_error_is_named,
          a_text_that_cannot_be_sent_is_refused_here, a_list_streams_pages, a_listing_can_be_stopped,
          a_crl_comes_in_pieces, pieces_that_do_not_fit_are_no_crl)
