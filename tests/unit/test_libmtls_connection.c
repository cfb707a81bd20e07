/*
 * test_libmtls_connection.c - the library's non-blocking layer, its connections, and wrong use of both.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/scripted_peer.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/un.h>

START_TEST(the_non_blocking_layer_never_waits)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct mtls *mtls = mtls_new_from_fd(pair[0]);
    ck_assert_int_eq(mtls_process(mtls), 0);
    ck_assert_ptr_null(mtls_call_take(mtls));
    ck_assert_int_eq(mtls_call_begin(mtls, "Reload", NULL, 0), 0);
    ck_assert_int_eq(mtls_process(mtls), 0);
    ck_assert_int_eq(mtls_events(mtls), POLLIN);
    ck_assert_int_eq(mtls_call_begin(mtls, "Reload", NULL, 0), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_MISUSE);
    ck_assert_int_eq(send(pair[1], RELOADED, sizeof RELOADED, 0), (ssize_t)sizeof RELOADED);
    ck_assert_int_eq(mtls_process(mtls), 1);
    ck_assert_int_eq(mtls_process(mtls), 1); /* until it is taken */
    ck_assert(!mtls_more(mtls));
    struct mtls_reload_result *result = mtls_call_take(mtls);
    ck_assert_int_eq(result->generation, 7);
    mtls_result_free(result);
    ck_assert(!mtls_call_pending(mtls));
    close(pair[1]);
    ck_assert_int_eq(mtls_process(mtls), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_DISCONNECTED);
    mtls_free(mtls);
}
END_TEST

START_TEST(a_peer_that_does_not_read_makes_us_wait_for_writability)
{
    int pair[2], small = 4096;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    struct mtls *mtls = mtls_new_from_fd(pair[0]);
    char *large = calloc(1, 200001);
    memset(large, 'a', 200000);
    struct mtls_verify_request request = {.certificate = large};
    ck_assert_int_eq(mtls_call_begin(mtls, "Verify", &request, 0), 0);
    free(large); /* the request is not needed any more */
    ck_assert_int_eq(mtls_events(mtls), POLLIN | POLLOUT);
    size_t got = 0;
    char buffer[65536], last = 'x';
    while (last != '\0') {
        ck_assert_int_eq(mtls_process(mtls), 0);
        ssize_t count = read(pair[1], buffer, sizeof buffer);
        ck_assert_int_gt(count, 0);
        got += (size_t)count;
        last = buffer[count - 1];
    }
    ck_assert_uint_gt(got, 200000);
    ck_assert_int_eq(mtls_events(mtls), POLLIN);
    mtls_free(mtls);
    close(pair[1]);
}
END_TEST

START_TEST(wrong_use_is_told)
{
    struct mtls *mtls = mtls_new("/nonexistent/agent.sock");
    struct mtls_get_request request = {.name = "alice"};
    ck_assert_int_eq(mtls_call_begin(mtls, "Dance", &request, 0), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_MISUSE);
    ck_assert_int_eq(mtls_call_begin(mtls, "Get", NULL, 0), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_MISUSE);
    ck_assert_int_eq(mtls_call_begin(mtls, "Get", &request, MTLS_MORE), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_MISUSE);
    mtls_call_cancel(mtls);
    mtls_free(mtls);
    mtls_free(NULL);
    mtls_result_free(NULL);
}
END_TEST

START_TEST(nobody_there_is_named_with_the_path)
{
    struct mtls *mtls = mtls_new("/nonexistent/agent.sock");
    struct mtls_status_result *status;
    ck_assert_int_eq(mtls_status(mtls, &status), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_UNREACHABLE);
    ck_assert_str_eq(mtls_error_message(mtls),
                     "no agent at /nonexistent/agent.sock: No such file or directory; is mtlsd running?");
    mtls_free(mtls);
    char path[200];
    memset(path, 'p', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    mtls = mtls_new(path);
    ck_assert_int_eq(mtls_status(mtls, &status), -1);
    ck_assert_ptr_nonnull(strstr(mtls_error_message(mtls), "199 bytes, 1 to 107 are possible"));
    mtls_free(mtls);
    mtls = mtls_new("");
    ck_assert_int_eq(mtls_status(mtls, &status), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_UNREACHABLE);
    mtls_free(mtls);
}
END_TEST

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    return fd;
}

/* Takes two connections, answers one call on each, and closes it: an agent whose idle timeout is short. */
static void *answer_and_close(void *argument)
{
    for (int i = 0; i < 2; i++) {
        struct script script = {REPLY(RELOADED), .close_after = true,
                                .fd = accept4(*(int *)argument, NULL, NULL, SOCK_CLOEXEC)};
        play(&script);
        close(script.fd);
    }
    return NULL;
}

START_TEST(a_connection_closed_while_idle_is_opened_again)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/libmtls-%d.sock", (int)getpid());
    int fd = listen_at(path);
    ck_assert_int_eq(pthread_create(&thread, NULL, answer_and_close, &fd), 0);
    struct mtls *mtls = mtls_new(path);
    for (int i = 0; i < 2; i++) {
        struct mtls_reload_result *result;
        ck_assert_msg(mtls_reload(mtls, &result) == 0, "%s", mtls_error_message(mtls));
        mtls_result_free(result);
        struct pollfd closed = {mtls_fd(mtls), POLLIN, 0};
        ck_assert_int_eq(poll(&closed, 1, 5000), 1);
    }
    pthread_join(thread, NULL);
    mtls_free(mtls);
    close(fd);
    unlink(path);
}
END_TEST

START_TEST(sigpipe_is_never_raised)
{
    signal(SIGPIPE, SIG_DFL); /* it would end the test */
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct mtls *mtls = mtls_new_from_fd(pair[0]);
    ck_assert_int_eq(mtls_call_begin(mtls, "Status", NULL, 0), 0);
    close(pair[1]);
    ck_assert_int_eq(mtls_process(mtls), -1);
    ck_assert_int_eq(mtls_error_code(mtls), MTLS_DISCONNECTED);
    mtls_free(mtls);
}
END_TEST

START_TEST(base64_is_strict)
{
    size_t length = 99;
    unsigned char *bytes = mtls_base64_decode("AAEC\nAwQ=\n", &length);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(length, 5);
    ck_assert_mem_eq(bytes, "\0\1\2\3\4", 5);
    mtls_bytes_free(bytes, length);
    bytes = mtls_base64_decode("", &length);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(length, 0);
    mtls_bytes_free(bytes, length);
    static const char *const bad[] = {"A",    "AA",   "AAE",   "AA=A",    "A===", "====",
                                      "AB==", "AA-_", "AAEC=", "AAECAw=", " AAEC"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(mtls_base64_decode(bad[i], &length) == NULL, "%s", bad[i]);
}
END_TEST

UNIT_MAIN("libmtls_connection", the_non_blocking_layer_never_waits,
          a_peer_that_does_not_read_makes_us_wait_for_writability, wrong_use_is_told,
          nobody_there_is_named_with_the_path, a_connection_closed_while_idle_is_opened_again,
          sigpipe_is_never_raised, base64_is_strict)
