/*
 * init.h - making a CA, and sealing it anew.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_INIT_H
#define MTLSD_KEEPER_INIT_H

#include "agent/keeper/options.h"

/* DIR/ca.key, DIR/counter, DIR/ca.crt. CONFLICT where any of them is there. Says on standard output what it made,
 * on standard error what the seal does not protect against. */
int init_run(const struct options *options, struct failure *failure);
/* The same key under another seal or floor. */
int reseal_run(const struct options *options, struct failure *failure);

#endif
