/*
 * lint.h - included before every source when clang-tidy reads it: what the analyzer cannot see from one file.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * failure_set always returns -1. Without knowing it, the analyzer follows paths on which a refusal counts as success.
 */
#ifndef MTLSD_TESTS_LINT_H
#define MTLSD_TESTS_LINT_H

#include "proto/failure.h"

#define failure_set(...) (failure_set(__VA_ARGS__), -1)

#endif
