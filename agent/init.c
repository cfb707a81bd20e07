/*
 * init.c - mtlsd init: make the state directory, then exec mtlsd-keeper --init.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "agent/init.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "mtlsd init --state DIR --name \"Example CA\" --seal passphrase|secret-file|none [OPTION]...\n"
    "\n"
    "Make a CA: key, self-signed certificate, sealed key file in DIR/keeper. A CA that is there is never overwritten.\n"
    "\n"
    "  mtlsd init --state /var/lib/mtlsd --name \"Example CA\" --seal passphrase\n"
    "  mtlsd init --state /var/lib/mtlsd --name \"Example CA\" --seal secret-file --secret-file /etc/mtlsd/secret\n"
    "  mtlsd init --state ./state --name \"Test CA\" --seal none\n"
    "\n"
    "  --state DIR             the agent's state directory; made where it is not there\n"
    "  --name NAME             the CA's name (its CN)\n"
    "  --key-type TYPE         ec:P-256 (default), ec:P-384, ed25519, rsa:3072, rsa:4096\n"
    "  --days N                how long the CA lives (default 3650)\n"
    "  --permit-dns DOMAIN     a name constraint: only names below it (may be repeated)\n"
    "  --max-life TERM         the longest life of a certificate that the keeper will ever sign (default 825d)\n"
    "  --allow-eku OID         an extended key usage beyond clientAuth, serverAuth, emailProtection\n"
    "  --clamp report|refuse   what becomes of a life past the CA's own end (default report)\n"
    "  --seal passphrase       ask for it, or --passphrase-file FILE; the CA starts locked\n"
    "  --seal secret-file      256 bits in --secret-file FILE, or in a systemd credential\n"
    "  --seal none             no protection but the file's mode: for tests\n"
    "\n"
    "Exit codes: 0 done; 2 usage, or there is a CA already; 71 the system refused. More: mtlsd(8), mtlsd-keeper(8).\n";

/* The keeper lies beside this program. */
static int keeper_path(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - sizeof "-keeper");
    if (length < 0)
        return -1;
    memcpy(path + length, "-keeper", sizeof "-keeper");
    return 0;
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "mtlsd init: %s: %s\n", what, why);
    return 2;
}

int init_main(int argc, char **argv)
{
    char path[4096], keeper_state[4096];
    const char *state = NULL;
    char **arguments = calloc((size_t)argc + 4, sizeof *arguments);
    int count = 0;
    if (!arguments || keeper_path(path, sizeof path))
        return fail("mtlsd-keeper", strerror(errno));
    arguments[count++] = path;
    arguments[count++] = (char *)"--init";
    arguments[count++] = (char *)"--state";
    arguments[count++] = keeper_state;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            fputs(help, stdout);
            return 0;
        }
        if (!strncmp(argv[i], "--state=", 8))
            state = argv[i] + 8;
        else if (!strcmp(argv[i], "--state") && i + 1 < argc)
            state = argv[++i];
        else if (!strcmp(argv[i], "--socket") || !strncmp(argv[i], "--socket=", 9))
            return fail(argv[i], "a socket is mtlsctl's business; the state directory is --state DIR");
        else
            arguments[count++] = argv[i];
    }
    if (!state || !*state)
        return fail("--state DIR is missing", "say where the CA's state shall lie, as in: mtlsd init --state /var/lib/mtlsd "
                    "--name \"Example CA\" --seal passphrase");
    if (snprintf(keeper_state, sizeof keeper_state, "%s/keeper", state) >= (int)sizeof keeper_state)
        return fail(state, "the path is too long");
    if (mkdir(state, 0755) && errno != EEXIST)
        return fail(state, strerror(errno));
    execv(path, arguments);
    fprintf(stderr, "mtlsd init: %s: %s\n", path, strerror(errno));
    return 71;
}
