/*
 * authorise.h - hold a finished plan against the policy: every subject, every name, every day.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_AGENT_AUTHORISE_H
#define MTLSD_AGENT_AUTHORISE_H

#include "agent/ops/operation.h"

/* 0, or -1 with NOT_PERMITTED. request->decision is that of the subject that was refused, or of the last. */
int authorise_plan(const struct world *world, struct request *request, struct failure *failure);
/* One subject. `trace` may be NULL: Explain is this function with a trace. */
int authorise_subject(const struct world *world, const struct request *request, const struct subject *subject,
                      struct policy_trace *trace, struct policy_decision *decision, struct policy_question *asked);

#endif
