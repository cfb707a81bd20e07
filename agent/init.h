/*
 * init.h - mtlsd init: make the state directory, then hand over to the keeper, which alone touches the CA key.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_INIT_H
#define MTLSD_AGENT_INIT_H

/* argv[0] is "init". Returns an exit code; does not return where it went well (the keeper takes the process over). */
int init_main(int argc, char **argv);

#endif
