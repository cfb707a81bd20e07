/*
 * log.h - what the keeper says to its journal: one line on standard error, nothing secret, nothing of a stranger
 * unfiltered.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_KEEPER_LOG_H
#define MTLSD_KEEPER_LOG_H

/* Written with one write(2), so that it works in the jail. Control bytes are replaced. */
void keeper_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
