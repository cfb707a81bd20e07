/*
 * fuzz_message.c - bytes of a stranger: frames, then as call and as reply, then the typed struct, and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/calls.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "proto/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 32 * 1024, FRAME_MAX = 8 * 1024, VALUE_MAX = 512 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void answer_failure(const struct failure *failure)
{
    require(failure->code > FAILURE_NONE && failure->code < FAILURE_CODES && failure->reason[0]);
    size_t length;
    char *text = message_format_failure(failure, &length);
    struct message_reply reply;
    struct failure back;
    require(text && message_parse_reply(text, length, &reply, &back) == 0);
    message_failure(&reply, &back);
    require(back.code == failure->code);
    message_reply_clear(&reply);
    message_text_free(text, length);
}

/* What was decoded encodes, and decodes again to the same. */
static void decode(const struct schema *schema, const json_t *parameters, bool lenient)
{
    _Alignas(max_align_t) char value[VALUE_MAX], again[VALUE_MAX];
    struct failure failure;
    require(schema->size <= VALUE_MAX);
    if (schema_decode(schema, parameters, lenient, value, &failure)) {
        answer_failure(&failure);
        return;
    }
    json_t *first = schema_encode(schema, value);
    require(first && schema_decode(schema, first, false, again, &failure) == 0);
    json_t *second = schema_encode(schema, again);
    require(second && json_equal(first, second));
    require(schema_has_secret(schema, value) == schema_has_secret(schema, again));
    schema_clear(schema, value);
    schema_clear(schema, again);
    json_decref(first);
    json_decref(second);
}

static void call(const char *text, size_t length)
{
    struct message_call call;
    struct failure failure;
    if (message_parse_call(text, length, &call, &failure)) {
        answer_failure(&failure);
        return;
    }
    json_t *reply = NULL;
    int answered = service_answer(&call, &reply, &failure);
    const char *method = answered == 0 ? service_method(call.method, &failure) : NULL;
    const struct method_schema *row = method ? method_schema_find(method) : NULL;
    if (answered < 0 || (answered == 0 && !method))
        answer_failure(&failure);
    if (row)
        decode(row->call, call.parameters, false);
    json_decref(reply);
    message_call_clear(&call);
}

static void reply(const char *text, size_t length)
{
    struct message_reply reply;
    struct failure failure;
    if (message_parse_reply(text, length, &reply, &failure))
        return;
    message_failure(&reply, &failure);
    require(failure.reason[0]);
    for (size_t i = 0; i < method_schema_count; i++)
        decode(method_schemas[i].reply, reply.parameters, true);
    message_reply_clear(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    if (size > INPUT_MAX || pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return 0;
    require(write(ends[1], data, size) == (ssize_t)size);
    close(ends[1]);
    struct frame_reader reader;
    frame_reader_init(&reader, FRAME_MAX);
    size_t seen = 0;
    while (frame_read(&reader, ends[0]) > 0) {
        char *text;
        size_t length;
        while (frame_next(&reader, &text, &length)) {
            require(length <= FRAME_MAX && !memcmp(text, data + seen, length) && data[seen + length] == '\0');
            seen += length + 1;
            call(text, length);
            reply(text, length);
            frame_consume(&reader, length, seen % 2 == 0);
        }
    }
    frame_reader_free(&reader);
    close(ends[0]);
    return 0;
}
