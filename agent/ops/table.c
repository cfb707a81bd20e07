/*
 * table.c - the operations: one row each. Decoder and encoder of a method are in proto/calls.c, under the same name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "agent/ops/operation.h"

#define OPERATIONS(row)                                                                                                \
    row(Issue) row(Sign) row(Renew) row(Verify) row(Export) row(Revoke) row(Resume) row(List) row(Get)                 \
    row(GetAuthority) row(GetCRL) row(Status) row(Explain) row(Reload)

#define DECLARE(name) extern const struct operation operation_##name;
OPERATIONS(DECLARE)

#define POINT(name) &operation_##name,
const struct operation *const operations[] = {OPERATIONS(POINT)};
const size_t operation_count = sizeof operations / sizeof operations[0];

const struct operation *operation_find(const char *method)
{
    for (size_t i = 0; i < operation_count; i++)
        if (!strcmp(operations[i]->method, method))
            return operations[i];
    return NULL;
}
