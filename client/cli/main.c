/*
 * main.c - the process of mtlsctl: memory that wipes, then cli_main.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/cli.h"
#include "proto/message.h"

int main(int argc, char **argv)
{
    message_use_wiping_allocator();
    return cli_main(argc, argv);
}
