/*
 * policy.c - mtlsctl policy: which line decides, and read the policy again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "client/cli/report.h"
#include "client/cli/request.h"

enum { COLUMNS = 6, COLUMN_RESULT = 4 };

static int add_line(struct table *table, const struct mtls_policy_line *line)
{
    char place[512];
    snprintf(place, sizeof place, "%s%.450s:%lld", line->decided ? "> " : "  ", line->file,
             (long long)line->line);
    const char *const cells[COLUMNS] = {place,           line->control, line->module,
                                        line->arguments, line->result,  line->detail};
    return table_add(table, cells);
}

static int tell(const struct cli *cli, const struct mtls_explain_result *answer)
{
    int exit_code = answer->allowed ? EXIT_DONE : EXIT_NO;
    if (cli->options.json)
        return output_json(stdout, output_result(answer)) ? report_memory(cli) : exit_code;
    static const char *const heading[COLUMNS] = {"  LINE",    "CONTROL", "MODULE",
                                                 "ARGUMENTS", "RESULT",  "DETAIL"};
    struct table table;
    table_init(&table, COLUMNS);
    int failed = table_add(&table, heading);
    for (size_t i = 0; failed == 0 && i < answer->lines.count; i++)
        failed = add_line(&table, &answer->lines.items[i]);
    if (failed == 0 && answer->lines.count)
        table_print(&table, stdout, COLUMN_RESULT, output_coloured(stdout));
    table_clear(&table);
    fputs(answer->allowed ? "allowed: " : "refused: ", stdout);
    output_text(stdout, answer->reason);
    fputc('\n', stdout);
    return failed ? report_memory(cli) : exit_code;
}

static int run_explain(struct cli *cli)
{
    const struct options *options = &cli->options;
    struct mtls_explain_request request = {
        .operation = cli->operands[0],
        .service = options->service,
        .name = options->name,
        .sans = request_sans(options),
        .profile = options->profile,
        .life = *options->life ? options->life : NULL,
        .key_type = options->key_type,
        .serial = options->serial,
        .as_uid = options->as_given ? &options->as : NULL,
        .method = options->method,
        .uri = options->uri,
        .host = options->host,
        .address = options->address,
    };
    struct mtls_explain_result *answer;
    if (mtls_explain(agent_open(cli), &request, &answer))
        return report_agent(cli, NULL);
    int exit_code = tell(cli, answer);
    mtls_result_free(answer);
    return exit_code;
}

static int run_reload(struct cli *cli)
{
    struct mtls_reload_result *answer;
    if (mtls_reload(agent_open(cli), &answer))
        return report_agent(cli, NULL);
    int exit_code = EXIT_DONE;
    if (cli->options.json)
        exit_code = output_json(stdout, output_result(answer)) ? report_memory(cli) : EXIT_DONE;
    else
        printf("the policy was read again; it is generation %lld\n", (long long)answer->generation);
    mtls_result_free(answer);
    return exit_code;
}

const struct command command_policy_explain = {
    .name = "policy explain",
    .operands = "OPERATION",
    .least = 1,
    .most = 1,
    .run = run_explain,
    .summary = "which policy line decides, without doing anything",
    .examples = "mtlsctl policy explain issue --name alice --san DNS:alice.example.com\n"
                "    may I have this certificate, and what says so?\n"
                "mtlsctl policy explain verify --serial 185e0c9a712b44109f3eaa015c7d206b --method POST\n"
                "    may this client do that?\n"
                "mtlsctl policy explain revoke --name alice --service ops --as karen\n"
                "    may karen? (asking for others needs admin)\n",
    .description = "OPERATION is issue (also signing and renewing), verify, export, revoke, read,\n"
                   "admin or use. Every line of the service's stack is told with its result; the\n"
                   "one that decides is marked. Ends 0 where it is allowed and 1 where not.\n",
    .options = "service name san profile life days key-type serial as method uri host address",
};

const struct command command_policy_reload = {
    .name = "policy reload",
    .operands = "",
    .least = 0,
    .most = 0,
    .run = run_reload,
    .summary = "read the policy files again",
    .examples = "mtlsctl policy reload\n"
                "    after a change of policy.d\n"
                "mtlsctl policy reload && mtlsctl policy explain issue --name alice\n"
                "    and what it means\n"
                "mtlsctl policy reload --json\n"
                "    the generation, as status tells it too\n",
    .description = "All or nothing: one bad line leaves the old policy in force, and is told with\n"
                   "file, line and reason. Needs admin.\n",
    .options = "",
};
