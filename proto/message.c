/*
 * message.c - varlink's envelope around JSON: {"method", "parameters", ...} and {"parameters" | "error", ...}.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proto/message.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* --- memory --- */

static void wiping_free(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

void message_use_wiping_allocator(void)
{
    json_set_alloc_funcs(malloc, wiping_free);
    /* The seed is against chosen keys that collide. Left alone, jansson would open /dev/urandom at the first
     * object, which a sandbox may forbid by then; it would fall back to the clock. 0 would ask it to do just
     * that. */
    size_t seed = 0;
    while (seed == 0)
        if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
            seed = 0;
    json_object_seed(seed);
}

/* --- reading --- */

/* jansson descends up to 2,048 levels before it refuses, each with an allocation and a stack frame, so the
 * depth is taken from the text first. Where this scan and the parser could differ the text is not JSON, and the
 * parser stops there. Returns the offset of the bracket that is too deep, or -1. */
static long long too_deep(const char *text, size_t length)
{
    int depth = 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '"') {
            do {
                const char *quote = memchr(text + i + 1, '"', length - i - 1);
                if (!quote)
                    return -1;
                i = (size_t)(quote - text);
                size_t backslashes = 0;
                while (text[i - 1 - backslashes] == '\\')
                    backslashes++;
                if (backslashes % 2 == 0)
                    break;
            } while (true);
        } else if (c == '{' || c == '[') {
            if (++depth > MESSAGE_DEPTH_MAX)
                return (long long)i;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return -1;
}

/* Our own sentences: jansson's quote the text around the fault, which may be somebody's passphrase. */
static const char *json_fault(enum json_error_code code)
{
    switch (code) {
    case json_error_invalid_utf8:
        return "the message is not valid UTF-8";
    case json_error_premature_end_of_input:
        return "the message ends in the middle of a JSON value";
    case json_error_end_of_input_expected:
        return "something follows the JSON object";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a text in the message holds a NUL character";
    case json_error_duplicate_key:
        return "a member of an object is given twice";
    case json_error_numeric_overflow:
        return "a number in the message is too large";
    default:
        return "the message is not valid JSON";
    }
}

static int refuse_json(struct failure *failure, long long offset, const char *reason)
{
    failure_set(failure, FAILURE_BAD_REQUEST, NULL, "%s", reason);
    if (failure)
        failure->offset = offset;
    return -1;
}

static json_t *parse_object(const char *text, size_t length, struct failure *failure)
{
    const char *nul = memchr(text, '\0', length);
    if (nul) {
        refuse_json(failure, nul - text, "the message holds a NUL byte");
        return NULL;
    }
    long long deep = too_deep(text, length);
    if (deep >= 0) {
        refuse_json(failure, deep, "the message nests objects and arrays too deep");
        return NULL;
    }
    json_error_t error;
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!root && json_error_code(&error) == json_error_out_of_memory) {
        failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    } else if (!root) {
        refuse_json(failure, error.position, json_fault(json_error_code(&error)));
    } else if (!json_is_object(root)) {
        refuse_json(failure, 0, "the message is not a JSON object");
        json_decref(root);
        root = NULL;
    }
    return root;
}

enum envelope_type { ENVELOPE_TEXT, ENVELOPE_FLAG, ENVELOPE_OBJECT };

struct envelope_member {
    const char *name;
    enum envelope_type type;
    size_t offset;
};

static const struct envelope_member call_members[] = {
    {"method", ENVELOPE_TEXT, offsetof(struct message_call, method)},
    {"parameters", ENVELOPE_OBJECT, offsetof(struct message_call, parameters)},
    {"more", ENVELOPE_FLAG, offsetof(struct message_call, more)},
    {"oneway", ENVELOPE_FLAG, offsetof(struct message_call, oneway)},
    {"upgrade", ENVELOPE_FLAG, offsetof(struct message_call, upgrade)},
};

static const struct envelope_member reply_members[] = {
    {"parameters", ENVELOPE_OBJECT, offsetof(struct message_reply, parameters)},
    {"error", ENVELOPE_TEXT, offsetof(struct message_reply, error)},
    {"continues", ENVELOPE_FLAG, offsetof(struct message_reply, continues)},
};

/* null is the same as absent, as for varlink's own optional types. */
static int read_member(const struct envelope_member *member, json_t *value, void *out, struct failure *failure)
{
    void *at = (char *)out + member->offset;
    if (json_is_null(value))
        return 0;
    switch (member->type) {
    case ENVELOPE_TEXT:
        if (!json_is_string(value) || json_string_length(value) > MESSAGE_METHOD_MAX)
            return failure_set(failure, FAILURE_BAD_REQUEST, member->name,
                               "%s: expected a string of at most %d bytes", member->name, MESSAGE_METHOD_MAX);
        *(const char **)at = json_string_value(value);
        return 0;
    case ENVELOPE_FLAG:
        if (!json_is_boolean(value))
            return failure_set(failure, FAILURE_BAD_REQUEST, member->name, "%s: expected true or false",
                               member->name);
        *(bool *)at = json_is_true(value);
        return 0;
    case ENVELOPE_OBJECT:
        if (!json_is_object(value))
            return failure_set(failure, FAILURE_BAD_REQUEST, member->name, "%s: expected an object",
                               member->name);
        *(const json_t **)at = value;
        return 0;
    }
    return failure_set(failure, FAILURE_INTERNAL, NULL, "envelope table");
}

static int read_envelope(const struct envelope_member *members, size_t count, json_t *root, void *out,
                         struct failure *failure)
{
    const char *name;
    json_t *value;
    json_object_foreach (root, name, value) {
        size_t i = 0;
        while (i < count && strcmp(members[i].name, name) != 0)
            i++;
        if (i == count)
            return failure_set(failure, FAILURE_BAD_REQUEST, name,
                               "%s: no such member beside \"%s\" in a varlink message", name, members[0].name);
        if (read_member(&members[i], value, out, failure))
            return -1;
    }
    return 0;
}

/* "parameters" may be left out; nobody further in should have to care. */
static const json_t *empty_parameters(json_t *root, struct failure *failure)
{
    if (json_object_set_new_nocheck(root, "parameters", json_object()) == 0)
        return json_object_get(root, "parameters");
    failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
    return NULL;
}

int message_parse_call(const char *text, size_t length, struct message_call *out, struct failure *failure)
{
    struct message_call call = {.root = parse_object(text, length, failure)};
    if (!call.root)
        return -1;
    int result =
        read_envelope(call_members, sizeof call_members / sizeof call_members[0], call.root, &call, failure);
    if (result == 0 && !call.method)
        result = failure_set(failure, FAILURE_BAD_REQUEST, "method",
                             "method: missing, it names what is to be called");
    if (result == 0 && call.more && call.oneway)
        result = failure_set(failure, FAILURE_BAD_REQUEST, "oneway",
                             "oneway: cannot go with more, nothing would be answered");
    if (result == 0 && !call.parameters && !(call.parameters = empty_parameters(call.root, failure)))
        result = -1;
    if (result)
        json_decref(call.root);
    else
        *out = call;
    return result;
}

int message_parse_reply(const char *text, size_t length, struct message_reply *out, struct failure *failure)
{
    struct message_reply reply = {.root = parse_object(text, length, failure)};
    if (!reply.root)
        return -1;
    int result = read_envelope(reply_members, sizeof reply_members / sizeof reply_members[0], reply.root,
                               &reply, failure);
    if (result == 0 && !reply.parameters && !(reply.parameters = empty_parameters(reply.root, failure)))
        result = -1;
    if (result)
        json_decref(reply.root);
    else
        *out = reply;
    return result;
}

void message_call_clear(struct message_call *call)
{
    json_decref(call->root);
    memset(call, 0, sizeof *call);
}

void message_reply_clear(struct message_reply *reply)
{
    json_decref(reply->root);
    memset(reply, 0, sizeof *reply);
}

/* --- writing --- */

struct text {
    char *data;
    size_t length, size;
};

static int append(const char *bytes, size_t count, void *opaque)
{
    struct text *text = opaque;
    if (count > text->size - text->length) {
        size_t size = text->size ? text->size : 512;
        while (size - text->length < count) {
            if (size > SIZE_MAX / 2)
                return -1;
            size *= 2;
        }
        char *larger = malloc(size);
        if (!larger)
            return -1;
        if (text->data)
            memcpy(larger, text->data, text->length);
        message_text_free(text->data, text->length);
        text->data = larger;
        text->size = size;
    }
    memcpy(text->data + text->length, bytes, count);
    text->length += count;
    return 0;
}

static int append_text(struct text *text, const char *literal)
{
    return append(literal, strlen(literal), text);
}

static int append_json(struct text *text, const json_t *value)
{
    return json_dump_callback(value, append, text, JSON_COMPACT | JSON_ENCODE_ANY);
}

static char *finish(struct text *text, int failed, size_t *length)
{
    if (failed) {
        message_text_free(text->data, text->length);
        return NULL;
    }
    *length = text->length;
    return text->data;
}

char *message_format_call(const char *method, const json_t *parameters, bool more, bool oneway, size_t *length)
{
    struct text text = {0};
    json_t *name = json_string(method);
    int failed = !name || append_text(&text, "{\"method\":") || append_json(&text, name) ||
                 append_text(&text, ",\"parameters\":") ||
                 (parameters ? append_json(&text, parameters) : append_text(&text, "{}")) ||
                 (more && append_text(&text, ",\"more\":true")) ||
                 (oneway && append_text(&text, ",\"oneway\":true")) || append_text(&text, "}");
    json_decref(name);
    return finish(&text, failed, length);
}

char *message_format_reply(const json_t *parameters, bool continues, size_t *length)
{
    struct text text = {0};
    int failed = append_text(&text, "{\"parameters\":") ||
                 (parameters ? append_json(&text, parameters) : append_text(&text, "{}")) ||
                 append_text(&text, continues ? ",\"continues\":true}" : "}");
    return finish(&text, failed, length);
}

/* --- failures --- */

static json_t *failure_value(const struct failure *failure, const struct failure_member *member)
{
    switch (member->kind) {
    case FAILURE_TEXT:
        return json_string((const char *)failure + member->place);
    case FAILURE_OFFSET:
        return json_integer(failure->offset);
    case FAILURE_SERIALS:
        break;
    }
    json_t *serials = json_array();
    for (size_t i = 0; serials && i < failure->serial_count && i < FAILURE_SERIALS_MAX; i++)
        if (json_array_append_new(serials, json_string(failure->serials[i]))) {
            json_decref(serials);
            serials = NULL;
        }
    return serials;
}

static json_t *failure_parameters(const struct failure *failure)
{
    size_t count;
    const struct failure_member *members = failure_members(failure->code, &count);
    json_t *parameters = json_object();
    for (size_t i = 0; parameters && i < count; i++) {
        if (members[i].kind == FAILURE_OFFSET && failure->offset < 0)
            continue;
        if (json_object_set_new_nocheck(parameters, members[i].name, failure_value(failure, &members[i]))) {
            json_decref(parameters);
            parameters = NULL;
        }
    }
    return parameters;
}

char *message_format_failure(const struct failure *failure, size_t *length)
{
    struct text text = {0};
    const char *name = failure_name(failure->code);
    json_t *parameters = failure_parameters(failure);
    int failed = !parameters || append_text(&text, "{\"error\":\"") ||
                 append_text(&text, name ? name : failure_name(FAILURE_INTERNAL)) ||
                 append_text(&text, "\",\"parameters\":") || append_json(&text, parameters) ||
                 append_text(&text, "}");
    json_decref(parameters);
    return finish(&text, failed, length);
}

void message_text_free(char *text, size_t length)
{
    if (text)
        explicit_bzero(text, length);
    free(text);
}

static void read_failure_member(const struct failure_member *member, const json_t *value, struct failure *out)
{
    switch (member->kind) {
    case FAILURE_TEXT:
        if (json_is_string(value))
            failure_copy_text((char *)out + member->place, member->size, json_string_value(value));
        return;
    case FAILURE_OFFSET:
        if (json_is_integer(value) && json_integer_value(value) >= 0)
            out->offset = json_integer_value(value);
        return;
    case FAILURE_SERIALS:
        for (size_t i = 0; i < json_array_size(value) && out->serial_count < FAILURE_SERIALS_MAX; i++) {
            const char *serial = json_string_value(json_array_get(value, i));
            if (serial && strlen(serial) < FAILURE_SERIAL_SIZE)
                failure_copy_text(out->serials[out->serial_count++], FAILURE_SERIAL_SIZE, serial);
        }
    }
}

/* A sentence for the errors that carry none on the wire. */
static const char *failure_sentence(enum failure_code code)
{
    switch (code) {
    case FAILURE_METHOD_NOT_FOUND:
        return "the agent has no method";
    case FAILURE_INTERFACE_NOT_FOUND:
        return "the agent has no interface";
    case FAILURE_METHOD_NOT_IMPLEMENTED:
        return "the agent cannot do";
    case FAILURE_INVALID_PARAMETER:
        return "the agent does not accept the parameter";
    case FAILURE_PENDING:
        return "waiting for approval, ticket";
    default:
        return "the agent gave no reason for";
    }
}

void message_failure(const struct message_reply *reply, struct failure *out)
{
    enum failure_code code = failure_from_name(reply->error);
    failure_set(out, code, NULL, "%s", "");
    size_t count;
    const struct failure_member *members = failure_members(code, &count);
    for (size_t i = 0; i < count; i++)
        read_failure_member(&members[i], json_object_get(reply->parameters, members[i].name), out);
    if (!out->reason[0]) {
        const char *what = out->field[0] ? out->field : reply->error ? reply->error : "a reply without error";
        char sentence[FAILURE_REASON_SIZE];
        snprintf(sentence, sizeof sentence, "%s %s", failure_sentence(code), what);
        failure_copy_text(out->reason, sizeof out->reason, sentence);
    }
}
