/*
 * audit.c - the body of an audit record as compact JSON, members always in the same order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/audit.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text that is not UTF-8 (a login, a cgroup) must not stop the change that it belongs to: failure_set makes it printable. */
static json_t *text_value(const char *text)
{
    if (!text || !*text)
        return NULL;
    json_t *value = json_string(text);
    if (value)
        return value;
    struct failure printable;
    failure_set(&printable, FAILURE_INTERNAL, NULL, "%s", text);
    return json_string(printable.reason);
}

static json_t *sans_value(const struct names *names)
{
    json_t *list = names && names->count ? json_array() : NULL;
    for (size_t i = 0; list && i < names->count; i++) {
        char *text = san_format(&names->sans[i]);
        int failed = !text || json_array_append_new(list, text_value(text));
        free(text);
        if (failed) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *serials_value(const struct serial *serials, size_t count)
{
    json_t *list = count ? json_array() : NULL;
    for (size_t i = 0; list && i < count && i < AUDIT_SERIALS_MAX; i++) {
        char text[SERIAL_TEXT_SIZE];
        serial_format(&serials[i], text);
        if (json_array_append_new(list, json_string(text))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* "policy.d/default:3 name", as refusals name it. */
static json_t *line_value(const struct policy_decision *decision)
{
    char line[FAILURE_LINE_SIZE];
    if (!decision || !decision->file || !*decision->file)
        return NULL;
    snprintf(line, sizeof line, "%s:%u %s", decision->file, decision->line, decision->module ? decision->module : "");
    return text_value(line);
}

char *audit_record_format(const struct audit_record *record)
{
    const struct peer *peer = record->peer;
    json_t *sans = sans_value(record->names), *serials = serials_value(record->serials, record->serial_count);
    bool whole = (sans || !record->names || !record->names->count) && (serials || !record->serial_count);
    /* "o*" leaves a member out where its value is NULL */
    json_t *body = json_pack("{s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*}",
                             "operation", text_value(record->operation), "outcome", text_value(record->outcome),
                             "uid", peer ? json_integer(peer->uid) : NULL, "pid", peer ? json_integer(peer->pid) : NULL,
                             "login", text_value(peer ? peer->login : NULL), "unit", text_value(peer ? peer->unit : NULL),
                             "service", text_value(record->service), "profile", text_value(record->profile),
                             "name", text_value(record->names ? record->names->common_name : NULL), "sans", sans,
                             "serialCount", record->serial_count ? json_integer((json_int_t)record->serial_count) : NULL, "serials", serials,
                             "line", line_value(record->decision), "reason", text_value(record->reason));
    whole = whole && (!peer || json_object_get(body, "uid"));
    char *text = body && whole ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return text;
}
