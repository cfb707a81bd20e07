/*
 * target.c - serial or name: decided by the form of the word, and the other way round where nothing was
 * found.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/target.h"

#include <string.h>

#include "proto/x509/serial.h"

enum { SERIAL_DIGITS_LEAST = 16 };

bool target_is_serial(const char *text)
{
    struct serial serial;
    return serial_parse(text, &serial) == 0 && (strchr(text, ':') || strlen(text) >= SERIAL_DIGITS_LEAST);
}

int target_take(const struct cli *cli, struct target *out, struct failure *failure)
{
    const char *word = cli->operand_count ? cli->operands[0] : NULL;
    const char *serial = cli->options.serial, *name = cli->options.name;
    if ((word != NULL) + (serial != NULL) + (name != NULL) != 1)
        return failure_set(failure, FAILURE_BAD_REQUEST, "", "which certificate? mtlsctl %s %s",
                           cli->command->name, cli->command->operands);
    struct serial parsed;
    if (serial && serial_parse(serial, &parsed))
        return failure_set(failure, FAILURE_BAD_REQUEST, "--serial",
                           "--serial %s: expected hex digits, with or without colons", serial);
    if (word && target_is_serial(word))
        serial = word;
    else if (word)
        name = word;
    *out = (struct target){.serial = serial, .name = name};
    return 0;
}

bool target_flip(const struct cli *cli, struct target *target)
{
    struct serial parsed;
    if (target->flipped || !cli->operand_count || serial_parse(cli->operands[0], &parsed))
        return false;
    const char *serial = target->serial;
    target->serial = target->name;
    target->name = serial;
    return target->flipped = true;
}
