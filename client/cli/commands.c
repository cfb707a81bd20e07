/*
 * commands.c - the one table of commands.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/commands.h"

const struct command *const commands[] = {
    &command_issue,         &command_sign,   &command_renew,  &command_verify, &command_export,
    &command_revoke,        &command_resume, &command_list,   &command_show,   &command_ca,
    &command_crl,           &command_status, &command_unlock, &command_lock,   &command_policy_explain,
    &command_policy_reload,
};
const size_t command_count = sizeof commands / sizeof commands[0];
