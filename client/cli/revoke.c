/*
 * revoke.c - mtlsctl revoke: tell what it would hit, ask, and revoke exactly that.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <time.h>

#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "client/cli/prompt.h"
#include "client/cli/report.h"
#include "client/cli/target.h"

enum { SHOWN_MAX = 20 };

static bool has_filter(const struct options *options)
{
    return options->profile || options->requester_given || options->issued_before || options->issued_after;
}

/* A call by the target's present reading, and by the other one where nothing was found. */
static int call(struct cli *cli, struct target *target, bool several, int64_t expected, bool dry,
                struct mtls_revoke_result **out)
{
    const struct options *options = &cli->options;
    do {
        struct mtls_revoke_request request = {
            .serial = target->serial,
            .name = target->name,
            .label = options->label,
            .profile = options->profile,
            .requester_uid = options->requester_given ? &options->requester : NULL,
            .issued_before = options->issued_before,
            .issued_after = options->issued_after,
            .service = options->service,
            .reason = options->reason,
            .several = several,
            .expected = expected,
            .dry_run = dry,
        };
        if (mtls_revoke(agent_open(cli), &request, out) == 0)
            return 0;
    } while (mtls_error_code(cli->mtls) == MTLS_NOT_FOUND && target_flip(cli, target));
    return -1;
}

static bool suspends(const struct cli *cli)
{
    return cli->options.reason && !strcmp(cli->options.reason, "certificateHold");
}

static int tell(const struct cli *cli, const struct mtls_revoke_result *result)
{
    bool dry = cli->options.dry_run;
    if (cli->options.json) {
        json_t *object = output_result(result);
        if (object && dry)
            json_object_set_new(object, "dryRun", json_true());
        return output_json(stdout, object) ? report_memory(cli) : EXIT_DONE;
    }
    if (result->count == 0 || (!result->changed && !dry)) {
        printf("nothing to do\n");
        return EXIT_DONE;
    }
    const char *verb = dry             ? (suspends(cli) ? "would suspend" : "would revoke")
                       : suspends(cli) ? "suspended"
                                       : "revoked";
    if (result->count > 1)
        printf("%s %lld certificates\n", verb, (long long)result->count);
    for (size_t i = 0; i < result->serials.count; i++) {
        if (result->count == 1)
            printf("%s ", verb);
        output_text(stdout, result->serials.items[i]);
        fputc('\n', stdout);
    }
    return EXIT_DONE;
}

/* A line about one certificate, as much as the policy lets us read. */
static int add_line(struct cli *cli, struct table *table, const char *serial)
{
    struct mtls_get_request request = {.serial = serial, .service = cli->options.service};
    struct mtls_get_result *record;
    if (mtls_get(cli->mtls, &request, &record)) {
        const char *const bare[] = {serial, NULL, NULL, NULL};
        return table_add(table, bare);
    }
    char left[TIME_LEFT_SIZE];
    output_time_left(record->certificate->not_after, time(NULL), left);
    const char *const cells[] = {serial, record->certificate->name, left, record->certificate->label};
    int result = table_add(table, cells);
    mtls_result_free(record);
    return result;
}

static bool confirmed(struct cli *cli, const struct mtls_revoke_result *plan)
{
    struct table table;
    static const char *const heading[] = {"SERIAL", "NAME", "EXPIRES IN", "LABEL"};
    char question[64];
    table_init(&table, 4);
    int failed = table_add(&table, heading);
    for (size_t i = 0; failed == 0 && i < plan->serials.count && i < SHOWN_MAX; i++)
        failed = add_line(cli, &table, plan->serials.items[i]);
    table_print(&table, stderr, SIZE_MAX, output_coloured(stderr));
    table_clear(&table);
    if (plan->count > SHOWN_MAX)
        fprintf(stderr, "and %lld more\n", (long long)plan->count - SHOWN_MAX);
    snprintf(question, sizeof question, "%s %s?", suspends(cli) ? "Suspend" : "Revoke",
             plan->count == 1 ? "it" : "them all");
    return failed == 0 && prompt_yes(question);
}

/* What was shown is what is revoked: the agent refuses where the number has changed meanwhile. */
static int run_asking(struct cli *cli, struct target *target)
{
    struct mtls_revoke_result *plan, *result;
    if (call(cli, target, true, 0, true, &plan))
        return report_agent(cli, NULL);
    int exit_code;
    int64_t count = plan->count;
    if (count == 0) {
        exit_code = tell(cli, plan);
    } else if (!confirmed(cli, plan)) {
        fprintf(stderr, "nothing was revoked\n");
        if (cli->options.json)
            output_json(stdout, json_pack("{s:b,s:i,s:[]}", "changed", 0, "count", 0, "serials"));
        exit_code = EXIT_NO;
    } else if (call(cli, target, true, count, false, &result)) {
        exit_code = report_agent(cli, NULL);
    } else {
        exit_code = tell(cli, result);
        mtls_result_free(result);
    }
    mtls_result_free(plan);
    return exit_code;
}

static const char *several_hint(const struct cli *cli)
{
    bool told = strstr(mtls_error_message(cli->mtls), "--yes");
    return mtls_error_code(cli->mtls) == MTLS_CONFLICT && !cli->options.yes && !told
               ? "--yes revokes them all"
               : NULL;
}

static int run(struct cli *cli)
{
    const struct options *options = &cli->options;
    struct target target = {0};
    struct failure failure;
    bool targeted = cli->operand_count || options->name || options->serial;
    if (!targeted && !has_filter(options)) {
        failure_set(&failure, FAILURE_BAD_REQUEST, "",
                    "which certificates? mtlsctl revoke SERIAL|NAME, or --profile, --requester, "
                    "--issued-before, --issued-after");
        return report_failure(cli, &failure);
    }
    if (targeted && target_take(cli, &target, &failure))
        return report_failure(cli, &failure);
    if (!options->yes && !options->dry_run && prompt_possible())
        return run_asking(cli, &target);
    struct mtls_revoke_result *result;
    if (call(cli, &target, options->yes || options->dry_run, 0, options->dry_run, &result))
        return report_agent(cli, several_hint(cli));
    int exit_code = tell(cli, result);
    mtls_result_free(result);
    return exit_code;
}

const struct command command_revoke = {
    .name = "revoke",
    .operands = "SERIAL|NAME",
    .least = 0,
    .most = 1,
    .run = run,
    .summary = "shut certificates out, from the instant it returns",
    .examples = "mtlsctl revoke alice --label MacBook --reason keyCompromise\n"
                "    one device of alice's; asks before it does\n"
                "mtlsctl revoke alice --yes\n"
                "    every live certificate of that name, without asking\n"
                "mtlsctl revoke --profile client --issued-before 2026-11-01T00:00:00Z --dry-run\n"
                "    what a revocation in bulk would hit\n",
    .description = "By serial, by NAME (every live certificate of it), or by filters, which all\n"
                   "have to fit. On a terminal it shows what it will revoke and asks, unless\n"
                   "--yes. Without a terminal and without --yes one hit goes ahead, several are a\n"
                   "conflict with the list. Revoking what is revoked is done already and ends 0.\n"
                   "--reason certificateHold suspends: mtlsctl resume lifts it.\n",
    .options = "reason name serial label profile requester issued-before issued-after service yes dry-run",
};
