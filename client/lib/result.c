/*
 * result.c - a reply as a result of mtls.h: one block that owns the JSON which its texts point into.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/lib/handle.h"

#include <stdlib.h>
#include <string.h>

struct block {
    struct message_reply reply;
    const struct schema *schema;
    char *json; /* made when first asked for */
    _Alignas(max_align_t) unsigned char value[];
};

static struct block *block_of(const void *result)
{
    return (struct block *)((uintptr_t)result - offsetof(struct block, value));
}

void *result_make(struct message_reply *reply, const struct schema *schema, struct failure *failure)
{
    struct block *block = calloc(1, sizeof *block + schema->size);
    if (!block) {
        failure_set(failure, FAILURE_INTERNAL, NULL, "out of memory");
        return NULL;
    }
    /* Lenient: a newer agent may tell more than we know. */
    if (schema_decode(schema, reply->parameters, true, block->value, failure)) {
        free(block);
        return NULL;
    }
    block->schema = schema;
    block->reply = *reply;
    memset(reply, 0, sizeof *reply);
    return block->value;
}

/* Also where the program's own allocator serves jansson, which does not wipe. */
static void wipe_secrets(const struct schema *schema, void *value)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct field *field = &schema->fields[i];
        char **text = (char **)((char *)value + field->offset);
        if (field->secret && field->type == FIELD_TEXT && *text)
            explicit_bzero(*text, strlen(*text));
    }
}

void mtls_result_free(const void *result)
{
    if (!result)
        return;
    struct block *block = block_of(result);
    wipe_secrets(block->schema, block->value);
    schema_clear(block->schema, block->value);
    message_reply_clear(&block->reply);
    free(block->json);
    free(block);
}

const char *mtls_result_json(const void *result)
{
    struct block *block = block_of(result);
    if (block->json)
        return block->json;
    json_t *public = json_copy((json_t *)block->reply.parameters);
    for (size_t i = 0; public && i < block->schema->field_count; i++)
        if (block->schema->fields[i].secret)
            json_object_del(public, block->schema->fields[i].name);
    block->json = public ? json_dumps(public, JSON_COMPACT) : NULL;
    json_decref(public);
    return block->json;
}
