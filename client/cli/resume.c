/*
 * resume.c - mtlsctl resume: lift a suspension (certificateHold).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "client/cli/report.h"
#include "client/cli/target.h"

static int tell(const struct cli *cli, const struct mtls_resume_result *result)
{
    if (cli->options.json)
        return output_json(stdout, output_result(result)) ? report_memory(cli) : EXIT_DONE;
    fputs(result->changed ? "resumed " : "nothing to do: ", stdout);
    output_text(stdout, result->certificate->name);
    fputs(", serial ", stdout);
    output_text(stdout, result->certificate->serial);
    fputc('\n', stdout);
    return EXIT_DONE;
}

static int run(struct cli *cli)
{
    struct target target;
    struct failure failure;
    if (target_take(cli, &target, &failure))
        return report_failure(cli, &failure);
    do {
        struct mtls_resume_request request = {
            .serial = target.serial,
            .name = target.name,
            .label = cli->options.label,
            .service = cli->options.service,
        };
        struct mtls_resume_result *result;
        if (mtls_resume(agent_open(cli), &request, &result) == 0) {
            int exit_code = tell(cli, result);
            mtls_result_free(result);
            return exit_code;
        }
    } while (mtls_error_code(cli->mtls) == MTLS_NOT_FOUND && target_flip(cli, &target));
    return report_agent(cli, NULL);
}

const struct command command_resume = {
    .name = "resume",
    .operands = "SERIAL|NAME",
    .least = 0,
    .most = 1,
    .run = run,
    .summary = "let a suspended certificate in again",
    .examples = "mtlsctl resume alice\n"
                "    the one certificate of alice's that is on hold\n"
                "mtlsctl resume alice --label MacBook\n"
                "    which of several\n"
                "mtlsctl resume 18:5e:0c:9a:71:2b:44:10:9f:3e:aa:01:5c:7d:20:6b\n"
                "    by serial, with or without colons\n",
    .description = "Lifts what mtlsctl revoke --reason certificateHold has done. A certificate\n"
                   "that was revoked for another reason stays revoked.\n",
    .options = "name serial label service",
};
