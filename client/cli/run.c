/*
 * run.c - mtlsctl from argv to exit code: global options, the command's row, its options, its function.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "client/cli/help.h"
#include "client/cli/output.h"
#include "client/cli/report.h"

const char *agent_socket(const struct cli *cli)
{
    const char *path = cli->options.socket;
    if (!path)
        path = secure_getenv("MTLS_SOCKET");
    return path && *path ? path : MTLS_DEFAULT_SOCKET;
}

struct mtls *agent_open(struct cli *cli)
{
    if (!cli->mtls)
        cli->mtls = mtls_new(agent_socket(cli));
    if (!cli->mtls)
        exit(report_memory(cli));
    return cli->mtls;
}

/* The row for the words at argv[*at..], which are one ("issue") or two ("policy explain"); moves *at past
 * them. */
static const struct command *find_command(int argc, char **argv, int *at)
{
    for (size_t i = 0; i < command_count; i++) {
        const char *name = commands[i]->name, *blank = strchr(name, ' ');
        size_t first = blank ? (size_t)(blank - name) : strlen(name);
        if (strlen(argv[*at]) != first || memcmp(argv[*at], name, first) != 0)
            continue;
        if (blank && (*at + 1 >= argc || strcmp(argv[*at + 1], blank + 1) != 0))
            continue;
        *at += blank ? 2 : 1;
        return commands[i];
    }
    return NULL;
}

/* "policy" alone: name what may follow. */
static int refuse_command(const struct cli *cli, const char *word)
{
    char follows[128] = "";
    struct failure failure;
    size_t length = strlen(word);
    for (size_t i = 0; i < command_count; i++)
        if (!strncmp(commands[i]->name, word, length) && commands[i]->name[length] == ' ') {
            size_t used = strlen(follows);
            snprintf(follows + used, sizeof follows - used, "%s%s", used ? " or " : "",
                     commands[i]->name + length + 1);
        }
    if (*follows)
        failure_set(&failure, FAILURE_BAD_REQUEST, "", "after %s comes %s; mtlsctl --help lists the commands",
                    word, follows);
    else if (!strcmp(word, "init"))
        failure_set(&failure, FAILURE_BAD_REQUEST, "",
                    "a CA is made by mtlsd: mtlsd init --state DIR --name \"Example CA\"");
    else
        failure_set(&failure, FAILURE_BAD_REQUEST, "", "%s is no command; mtlsctl --help lists them", word);
    return report_failure(cli, &failure);
}

static int run_command(struct cli *cli)
{
    const struct command *command = cli->command;
    if (cli->options.help) {
        help_print_command(stdout, command);
        return EXIT_DONE;
    }
    if (cli->operand_count < command->least) {
        struct failure failure;
        failure_set(&failure, FAILURE_BAD_REQUEST, "",
                    "%s is missing: mtlsctl %s %s; mtlsctl %s --help shows examples", command->operands,
                    command->name, command->operands, command->name);
        return report_failure(cli, &failure);
    }
    return command->run(cli);
}

/* argv is known to be free of surprises only after the walk: until then --json may stand anywhere, and a
 * usage error has to honour it. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--json"))
            return true;
    return false;
}

static int parse_and_run(struct cli *cli, int argc, char **argv)
{
    struct failure failure;
    struct option_parse parse = {.argv = (const char *const *)argv,
                                 .argc = argc,
                                 .at = 1,
                                 .stop_at_operand = true};
    if (options_parse(&parse, &cli->options, &failure)) {
        cli->options.json = wants_json(argc, argv);
        return report_failure(cli, &failure);
    }
    if (cli->options.version) {
        printf("mtlsctl %s\n", mtls_version());
        return EXIT_DONE;
    }
    if (parse.at == argc) {
        help_print(cli->options.help ? stdout : stderr);
        return cli->options.help ? EXIT_DONE : EXIT_WRONG;
    }
    const char *word = argv[parse.at];
    cli->command = find_command(argc, argv, &parse.at);
    if (!cli->command) {
        cli->options.json = wants_json(argc, argv);
        return refuse_command(cli, word);
    }
    parse.command = cli->command->name;
    parse.allowed = cli->command->options;
    parse.stop_at_operand = false;
    parse.operands = cli->operands;
    parse.operand_room = cli->command->most;
    if (options_parse(&parse, &cli->options, &failure)) {
        cli->options.json = wants_json(argc, argv);
        return report_failure(cli, &failure);
    }
    cli->operand_count = parse.operand_count;
    return run_command(cli);
}

int cli_main(int argc, char **argv)
{
    struct cli cli = {0};
    options_init(&cli.options);
    int exit_code = parse_and_run(&cli, argc, argv);
    mtls_free(cli.mtls);
    options_clear(&cli.options);
    /* What was asked for on standard output and did not arrive there (a full disk) is no success. */
    if (fflush(stdout) || ferror(stdout)) {
        fprintf(stderr, "mtlsctl: cannot write to standard output\n");
        return exit_code ? exit_code : EXIT_WRONG;
    }
    return exit_code;
}
