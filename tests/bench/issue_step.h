/*
 * issue_step.h - what issuing costs in process: CSR DER to certificate DER, our way and through the ordinary X509 API.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_TESTS_BENCH_ISSUE_STEP_H
#define MTLSD_TESTS_BENCH_ISSUE_STEP_H

#include <stddef.h>

/* Make a CA of our own for the measurement. */
void issue_step_prepare(void);
/* Seconds a certificate, one core; csr is an array of PEM texts, decoded before the clock runs. */
double issue_step_ours(char *const *csr, size_t count, double seconds);
double issue_step_x509(char *const *csr, size_t count, double seconds);

#endif
