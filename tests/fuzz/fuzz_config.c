/*
 * fuzz_config.c - an mtlsd.conf of any bytes: all or nothing, and a refusal always has a place and a sentence.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "proto/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FILE *stream = size ? fmemopen((void *)data, size, "r") : NULL;
    if (!stream)
        return 0;
    struct config *config = NULL;
    struct failure failure;
    if (config_read(stream, "f", &config, &failure)) {
        require(!config && failure.code == FAILURE_BAD_REQUEST && !strncmp(failure.reason, "f:", 2));
    } else {
        require(config->agent.socket && config->agent.epoch && config->keeper.unlock && config->profile_count >= 3);
        for (size_t i = 0; i < config->profile_count; i++)
            require(config_profile_find(config, config->profiles[i].name) == &config->profiles[i] && config->profiles[i].life > 0);
    }
    fclose(stream);
    config_free(config);
    return 0;
}
