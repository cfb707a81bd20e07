/*
 * list.c - mtlsctl list: the certificates of the index, as a table or a line of JSON each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <time.h>

#include "client/cli/commands.h"
#include "client/cli/output.h"
#include "client/cli/report.h"

enum { COLUMNS = 5, COLUMN_STATUS = 2, ROWS_AT_ONCE = 1000 };

struct listing {
    bool json, out_of_memory;
    int64_t now;
    struct table table;
    size_t rows;
};

static const char *const heading[COLUMNS] = {"SERIAL", "NAME", "STATUS", "EXPIRES IN", "LABEL"};

/* A table of millions would be held in memory whole for its widths: it is printed in parts. */
static int flush_table(struct listing *listing)
{
    table_print(&listing->table, stdout, COLUMN_STATUS, output_coloured(stdout));
    table_clear(&listing->table);
    return table_add(&listing->table, heading);
}

static int add_row(struct listing *listing, const struct mtls_certificate *certificate)
{
    char left[TIME_LEFT_SIZE];
    output_time_left(certificate->not_after, listing->now, left);
    const char *const cells[COLUMNS] = {certificate->serial, certificate->name, certificate->status, left,
                                        certificate->label};
    if (table_add(&listing->table, cells))
        return -1;
    return ++listing->rows % ROWS_AT_ONCE ? 0 : flush_table(listing);
}

static int print_lines(const struct mtls_list_result *page)
{
    json_t *object = output_result(page), *certificate;
    size_t i;
    int result = object ? 0 : -1;
    json_array_foreach (json_object_get(object, "certificates"), i, certificate)
        if (result == 0)
            result = output_json(stdout, json_incref(certificate));
    json_decref(object);
    return result;
}

static int take_page(const struct mtls_list_result *page, void *context)
{
    struct listing *listing = context;
    int result = 0;
    if (listing->json)
        result = print_lines(page);
    for (size_t i = 0; !listing->json && result == 0 && i < page->certificates.count; i++)
        result = add_row(listing, &page->certificates.items[i]);
    listing->out_of_memory = result != 0;
    return result;
}

static int run(struct cli *cli)
{
    const struct options *options = &cli->options;
    struct mtls_list_request request = {
        .name = cli->operand_count ? cli->operands[0] : options->name,
        .status = options->status,
        .profile = options->profile,
        .expiring_within = options->expiring,
        .service = options->service,
    };
    struct listing listing = {.json = options->json, .now = time(NULL)};
    table_init(&listing.table, COLUMNS);
    if (table_add(&listing.table, heading))
        return report_memory(cli);
    int exit_code = EXIT_DONE;
    if (mtls_list(agent_open(cli), &request, take_page, &listing))
        exit_code = listing.out_of_memory ? report_memory(cli) : report_agent(cli, NULL);
    else if (!options->json && (listing.table.count > COLUMNS || listing.rows == 0))
        table_print(&listing.table, stdout, COLUMN_STATUS, output_coloured(stdout));
    table_clear(&listing.table);
    return exit_code;
}

const struct command command_list = {
    .name = "list",
    .operands = "[NAME]",
    .least = 0,
    .most = 1,
    .run = run,
    .summary = "the certificates of the index",
    .examples = "mtlsctl list\n"
                "    all of them: serial, name, status, what is left of its life, label\n"
                "mtlsctl list --status live --expiring 30d\n"
                "    which have to be renewed within a month\n"
                "mtlsctl list --name alice --json\n"
                "    one JSON object a line\n",
    .description = "All filters given have to fit. The list streams: it may be piped and cut off.\n",
    .options = "name status profile expiring service",
};
