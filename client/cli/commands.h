/*
 * commands.h - the commands, one file each; commands.c has them in one table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_CLIENT_CLI_COMMANDS_H
#define MTLSD_CLIENT_CLI_COMMANDS_H

#include "client/cli/cli.h"

extern const struct command command_issue, command_sign, command_renew, command_verify, command_export,
    command_revoke, command_resume, command_list, command_show, command_ca, command_crl, command_status,
    command_unlock, command_lock, command_policy_explain, command_policy_reload;

#endif
