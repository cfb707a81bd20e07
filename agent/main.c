/*
 * main.c - mtlsd: the command line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include "agent/agent.h"
#include "agent/init.h"
#include "agent/log.h"
#include "agent/parent.h"
#include "proto/config.h"
#include "proto/message.h"
#include "proto/service.h"

static const char help[] =
    "mtlsd - local agent that signs, verifies and revokes client certificates, and keeps the CA key safe\n"
    "\n"
    "  mtlsd init --state /var/lib/mtlsd --name \"Example CA\" --seal passphrase\n"
    "  mtlsd --config /etc/mtlsd/mtlsd.conf\n"
    "  mtlsd --config /etc/mtlsd/mtlsd.conf --check-config\n"
    "\n"
    "  init ...          make a CA; see mtlsd init --help\n"
    "  --config FILE     read this configuration (default /etc/mtlsd/mtlsd.conf) and run in the foreground\n"
    "  --check-config    read configuration, policy and anchors, say what is wrong, and end: 0 good, 1 not\n"
    "  --help-config     every key of the configuration with its meaning\n"
    "  --version, --help\n"
    "\n"
    "SIGHUP reads policy and anchors again; SIGTERM finishes what was accepted and ends. More: mtlsd(8), mtlsd.conf(5).\n";

static void print_keys(void)
{
    const char *section = "";
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = config_key_at(i);
        if (strcmp(section, key->section))
            printf("%s[%s]\n", i ? "\n" : "", key->section);
        section = key->section;
        printf("  %-20s %s%s%s%s\n  %20s %s\n", key->name, key->form, key->fallback && *key->fallback ? " (default " : "",
               key->fallback ? key->fallback : "", key->fallback && *key->fallback ? ")" : "", "", key->meaning);
    }
}

struct arguments {
    const char *config;
    bool check;
};

/* -1: go on; else the exit code. */
static int parse_arguments(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check-config", no_argument, NULL, 'C'}, {"help-config", no_argument, NULL, 'K'},
        {"version", no_argument, NULL, 'V'},      {"help", no_argument, NULL, 'h'},         {"socket", required_argument, NULL, 's'},
        {"state", required_argument, NULL, 'S'},  {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "c:hV", options, NULL)) >= 0;)
        switch (option) {
        case 'c': out->config = optarg; break;
        case 'C': out->check = true; break;
        case 'K': print_keys(); return EX_OK;
        case 'V': puts("mtlsd " MTLSD_VERSION); return EX_OK;
        case 'h': fputs(help, stdout); return EX_OK;
        case 's':
            fputs("mtlsd: --socket is mtlsctl's; the agent's own is socket= in [agent] of the configuration\n", stderr);
            return 2;
        case 'S':
            fputs("mtlsd: --state belongs to mtlsd init; for a running agent it is state= in [agent] of the configuration\n", stderr);
            return 2;
        default: fputs("mtlsd: try mtlsd --help\n", stderr); return 2;
        }
    if (optind < argc) {
        fprintf(stderr, "mtlsd: '%s' was not expected; try mtlsd --help\n", argv[optind]);
        return 2;
    }
    return -1;
}

/* Under a service manager with a keeper of its own there is nothing for a parent to do. */
static bool needs_parent(const struct config *config)
{
    return !config->agent.keeper || config->agent.crl_hook;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.config = "/etc/mtlsd/mtlsd.conf"};
    struct config *config;
    struct failure failure;
    log_open();
    if (argc > 1 && !strcmp(argv[1], "init"))
        return init_main(argc - 1, argv + 1);
    int code = parse_arguments(argc, argv, &arguments);
    if (code >= 0)
        return code;
    message_use_wiping_allocator();
    if (sodium_init() < 0)
        return EX_SOFTWARE;
    if (config_load(arguments.config, &config, &failure)) {
        fprintf(stderr, "mtlsd: %s\n", failure.reason);
        return arguments.check ? 1 : EX_CONFIG;
    }
    if (!config->agent.state) {
        fprintf(stderr, "mtlsd: %s: [agent] has no state=; it names the directory that mtlsd init made\n", arguments.config);
        return arguments.check ? 1 : EX_CONFIG;
    }
    code = arguments.check ? agent_check(config) : needs_parent(config) ? parent_run(config) : agent_run(config, -1);
    config_free(config);
    return code;
}
