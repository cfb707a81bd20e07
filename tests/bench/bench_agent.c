/*
 * bench_agent.c - the figures of the agent over its socket, each beside a limit measured in the same run.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * bench_agent BUILD SCRATCH: BUILD holds the programs, SCRATCH is an empty directory with a short path. What is compared is interleaved; a figure is
 * the median of ROUNDS rounds, and the spread is printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/ca/csr.h"
#include "agent/ca/plan.h"
#include "agent/store/committer.h"
#include "proto/config.h"
#include "proto/x509/certificate.h"
#include "tests/bench/issue_step.h"
#include "tests/bench/load.h"
#include "tests/bench/table.h"

enum { CSRS = 16, CERTIFICATES = 256, ANSWER_MAX = 64 * 1024, MILLION = 1000000, FILL_BATCH = 5000 };
static const double slice = 0.7; /* seconds of one measurement in a round */

struct bench {
    const char *build;
    char state[256], socket[300], config[300];
    int agent;          /* the parent process */
    int agent_child, keeper;
    char *csr[CSRS];             /* PEM, JSON-escaped */
    struct load_message sign[CSRS], verify[CERTIFICATES], status;
    uint8_t *certificate;        /* DER, one of ours */
    size_t certificate_length;
    X509 *authority;
};

static void die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(1);
}

static char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

static char *format(const char *pattern, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, pattern);
    int length = vasprintf(&text, pattern, arguments);
    va_end(arguments);
    if (length < 0)
        die("memory");
    return text;
}

static struct load_message call(const char *method, const char *parameters);
static char *ask(const char *path, struct load_message message);

static int atoi_checked(const char *text)
{
    long value = strtol(text, NULL, 10);
    if (value <= 0 || value > INT32_MAX)
        die(text);
    return (int)value;
}

/* --- the peers --------------------------------------------------------------------------------------------- */

static int run(char *const arguments[])
{
    int status, pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, 0), dup2(null, 1), dup2(null, 2);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    return pid < 0 || waitpid(pid, &status, 0) < 0 || status ? -1 : 0;
}

static void wait_for_socket(const char *path)
{
    struct stat status;
    for (int i = 0; i < 1000 && stat(path, &status); i++)
        usleep(5000);
    usleep(100 * 1000);
}

static void agent_start(struct bench *bench)
{
    char *program = format("%s/%s", bench->build, "mtlsd");
    unlink(bench->socket);
    bench->agent = fork();
    if (bench->agent == 0) {
        int log = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(log, 2);
        execl(program, "mtlsd", "--config", bench->config, (char *)NULL);
        _exit(127);
    }
    free(program);
    wait_for_socket(bench->socket);
    char *reply = ask(bench->socket, call("Status", ""));
    const char *agent = strstr(reply, "\"pid\":"), *keeper = agent ? strstr(agent + 1, "\"pid\":") : NULL;
    if (!keeper)
        die(reply);
    bench->agent_child = atoi_checked(agent + 6);
    bench->keeper = atoi_checked(keeper + 6);
    free(reply);
}

static void agent_stop(struct bench *bench)
{
    kill(bench->agent, SIGTERM);
    waitpid(bench->agent, NULL, 0);
}

static void prepare_agent(struct bench *bench, const char *scratch, const char *name)
{
    snprintf(bench->state, sizeof bench->state, "%s/%s", scratch, name);
    snprintf(bench->socket, sizeof bench->socket, "%s/%s.sock", scratch, name);
    snprintf(bench->config, sizeof bench->config, "%s/%s.conf", scratch, name);
    FILE *config = fopen(bench->config, "we");
    if (!config)
        die(bench->config);
    fprintf(config, "[agent]\nstate=%s\nsocket=%s\nepoch=%s/%s.epoch\n[keeper]\nunlock=%s/%s.unlock\n", bench->state, bench->socket,
            scratch, name, scratch, name);
    fclose(config);
    char *program = format("%s/%s", bench->build, "mtlsd");
    char *const init[] = {program, (char *)"init", (char *)"--state", bench->state, (char *)"--name", (char *)"Bench CA",
                          (char *)"--seal", (char *)"none", NULL};
    if (run(init))
        die("mtlsd init");
    free(program);
}

/* --- messages ---------------------------------------------------------------------------------------------- */

static char *json_escape(const char *text)
{
    char *out = malloc(2 * strlen(text) + 1), *p = out;
    for (; *text; text++) {
        if (*text == '\n')
            *p++ = '\\', *p++ = 'n';
        else
            *p++ = *text;
    }
    *p = '\0';
    return out;
}

static char *bio_text(BIO *bio)
{
    char *data;
    long length = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)length);
    BIO_free(bio);
    return text;
}

static char *make_csr(int number)
{
    char name[32];
    snprintf(name, sizeof name, "client%d", number);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *request = X509_REQ_new();
    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_REQ_set_pubkey(request, key);
    X509_REQ_sign(request, key, EVP_sha256());
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_REQ(bio, request);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return bio_text(bio);
}

static struct load_message call(const char *method, const char *parameters)
{
    char *text;
    if (asprintf(&text, "{\"method\":\"io.mtlsd.Agent.%s\",\"parameters\":{%s}}", method, parameters) < 0)
        die("memory");
    return (struct load_message){text, strlen(text)};
}

/* One call by itself; returns the answer. */
static char *ask(const char *path, struct load_message message)
{
    char *reply = calloc(1, ANSWER_MAX);
    load_once(path, &message, reply, ANSWER_MAX);
    return reply;
}

/* The value of a text member, with \n unescaped: enough for what the agent itself writes. */
static char *member(const char *reply, const char *name)
{
    char *key = format("\"%s\":\"", name);
    const char *start = strstr(reply, key);
    if (!start)
        die(reply);
    start += strlen(key);
    char *out = malloc(strlen(start) + 1), *p = out;
    for (; *start && *start != '"'; start++) {
        if (start[0] == '\\' && start[1] == 'n')
            *p++ = '\n', start++;
        else
            *p++ = *start;
    }
    *p = '\0';
    free(key);
    return out;
}

static void prepare_messages(struct bench *bench)
{
    for (int i = 0; i < CSRS; i++) {
        char *pem = make_csr(i);
        bench->csr[i] = pem;
        char *escaped = json_escape(pem);
        char *parameters = format("\"csr\":\"%s\"", escaped);
        bench->sign[i] = call("Sign", parameters);
        free(parameters);
        free(escaped);
    }
    for (int i = 0; i < CERTIFICATES; i++) {
        char *reply = ask(bench->socket, bench->sign[i % CSRS]);
        char *pem = member(reply, "pem");
        char *escaped = json_escape(pem);
        char *parameters = format("\"certificate\":\"%s\"", escaped);
        bench->verify[i] = call("Verify", parameters);
        if (i == 0 && certificate_decode_text(pem, "pem", &bench->certificate, &bench->certificate_length, NULL))
            die("certificate");
        free(parameters);
        free(escaped);
        free(pem);
        free(reply);
    }
    bench->status = call("Status", "");
    char *reply = ask(bench->socket, call("GetAuthority", ""));
    char *pem = member(reply, "pem");
    BIO *bio = BIO_new_mem_buf(pem, -1);
    bench->authority = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    free(pem);
    free(reply);
}

/* --- limits, in process ------------------------------------------------------------------------------------ */

static double verify_step(const struct bench *bench)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_add_cert(store, bench->authority);
    unsigned count = 0;
    double start = clock_now(), now;
    do {
        const uint8_t *cursor = bench->certificate;
        X509 *certificate = d2i_X509(NULL, &cursor, (long)bench->certificate_length);
        X509_STORE_CTX *context = X509_STORE_CTX_new();
        X509_STORE_CTX_init(context, store, certificate, NULL);
        X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT);
        if (X509_verify_cert(context) != 1)
            die(X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
        X509_STORE_CTX_free(context);
        X509_free(certificate);
        count++;
        now = clock_now();
    } while (now - start < slice / 2);
    X509_STORE_free(store);
    return (now - start) / count;
}

/* A bare exchange of the same sizes over a Unix socket with a process that only echoes: seconds per round trip. `cpu`: of that process. */
static double ping_pong(int connections, size_t request, size_t reply, double *cpu, const char *scratch)
{
    char path[300];
    snprintf(path, sizeof path, "%s/echo.sock", scratch);
    int pid = load_echo_server(path, reply);
    char *text = malloc(request + 1);
    memset(text, 'x', request);
    const struct load_message message = {text, request};
    double before = cpu_of(pid);
    struct load_result result = load_run(path, connections, &message, 1, slice);
    *cpu = (cpu_of(pid) - before) / (double)result.answers;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    unlink(path);
    free(text);
    return result.p50;
}

static struct certificate_row sample_row(const struct bench *bench, uint64_t number)
{
    static char name[32];
    struct certificate_row row = {.der = bench->certificate, .der_length = bench->certificate_length, .name = name, .subject = "CN=client",
                                  .sans = "DNS:client", .label = "", .profile = "client", .service = "default", .request_id = "",
                                  .not_before = time(NULL), .not_after = time(NULL) + 90 * 86400, .issued_at = time(NULL), .reason = -1,
                                  .purposes = 1, .last_service = "", .last_address = ""};
    snprintf(name, sizeof name, "client%llu", (unsigned long long)number % 100000);
    row.serial.length = 16;
    row.serial.bytes[0] = 1;
    for (int i = 0; i < 8; i++)
        row.serial.bytes[7 - i + 1] = (uint8_t)(number >> (8 * i));
    RAND_bytes(row.serial.bytes + 9, 7);
    RAND_bytes(row.fingerprint, sizeof row.fingerprint);
    return row;
}

static void commit_and_wait(struct committer *committer, struct commit *list, size_t count)
{
    struct pollfd event = {.fd = committer_fd(committer), .events = POLLIN};
    committer_submit(committer, list);
    while (count) {
        poll(&event, 1, -1);
        for (struct commit *done = committer_take(committer); done; done = done->next, count--)
            if (done->outcome != COMMIT_DONE)
                die(done->failure.reason);
    }
}

static struct committer *committer_of(const char *path, const uint8_t *fingerprint)
{
    struct failure failure;
    struct committer *committer;
    if (committer_start(path, fingerprint, &committer, &failure))
        die(failure.reason);
    return committer;
}

/* One commit of the rows of one certificate and its audit record, alone: seconds (median). */
static double commit_step(const struct bench *bench, const char *scratch)
{
    static const uint8_t fingerprint[FINGERPRINT_SIZE] = {1};
    static const char audit[] = "{\"operation\":\"sign\",\"outcome\":\"done\",\"uid\":0,\"names\":[\"DNS:client\"],\"line\":\"policy.d/default:3 name\"}";
    static uint64_t number;
    char *path = format("%s/%s", scratch, "commit.db");
    struct committer *committer = committer_of(path, fingerprint);
    struct series times = {0};
    for (int i = 0; i < 64; i++) {
        struct change change = {.kind = CHANGE_INSERT, .u.insert = sample_row(bench, ++number)};
        struct commit commit = {.changes = &change, .change_count = 1, .audit = audit};
        double start = clock_now();
        commit_and_wait(committer, &commit, 1);
        series_add(&times, clock_now() - start);
    }
    committer_stop(committer);
    committer_free(committer);
    free(path);
    return series_median(&times);
}

/* --- the table --------------------------------------------------------------------------------------------- */

static void bench_throughput(struct bench *bench, const char *scratch)
{
    struct series issue = {0}, sign32 = {0}, sign8 = {0}, verify = {0}, verified = {0}, commits = {0};
    struct series sign1 = {0}, status1 = {0}, ping = {0}, status_cpu = {0}, ping_cpu = {0}, expected = {0};
    for (int round = 0; round < ROUNDS; round++) {
        double cpu;
        double step = issue_step_ours(bench->csr, CSRS, slice / 2);
        series_add(&issue, 1 / step);
        struct load_result many = load_run(bench->socket, 32, bench->sign, CSRS, slice);
        series_add(&sign32, (double)many.answers / many.seconds * step);
        struct load_result some = load_run(bench->socket, 8, bench->sign, CSRS, slice);
        series_add(&sign8, (double)some.answers / some.seconds * step);
        double check = verify_step(bench);
        struct load_result all = load_run(bench->socket, 32, bench->verify, CERTIFICATES, slice);
        series_add(&verify, (double)all.answers / all.seconds);
        series_add(&verified, (double)all.answers / all.seconds * check);
        double commit = commit_step(bench, scratch), trip = ping_pong(1, bench->sign[0].length, 1500, &cpu, scratch);
        struct load_result one = load_run(bench->socket, 1, bench->sign, CSRS, slice);
        series_add(&commits, commit * 1e6);
        series_add(&expected, (step + commit + trip) * 1e6);
        series_add(&sign1, one.p50 / (step + commit + trip));
        double bare = ping_pong(1, bench->status.length, 900, &cpu, scratch);
        struct load_result quick = load_run(bench->socket, 1, &bench->status, 1, slice);
        series_add(&ping, bare * 1e6);
        series_add(&status1, quick.p50 / bare);
        ping_pong(32, bench->status.length, 900, &cpu, scratch);
        double before = cpu_of(bench->agent_child);
        struct load_result busy = load_run(bench->socket, 32, &bench->status, 1, slice);
        double used = (cpu_of(bench->agent_child) - before) / (double)busy.answers;
        series_add(&status_cpu, used / cpu);
        series_add(&ping_cpu, cpu * 1e6);
    }
    table_note("issue step of one core, per second", &issue);
    table_row("durable Sign/s, 32 connections / issue step", &sign32, 0.75, true);
    table_row("durable Sign/s, 8 connections / issue step", &sign8, 0.5, true);
    table_note("issue step + one commit + bare round trip, us", &expected);
    table_note("  of that one commit, us", &commits);
    table_row("Sign p50, 1 connection / that sum", &sign1, 1.35, false);
    table_note("Verify/s, 32 connections", &verify);
    table_row("Verify/s / d2i_X509 + X509_verify_cert of one core", &verified, 5, true);
    table_note("bare ping-pong, us", &ping);
    table_row("Status p50, 1 connection / bare ping-pong", &status1, 1.75, false);
    table_note("bare ping-pong, CPU us per call at 32 connections", &ping_cpu);
    table_row("Status CPU per call, 32 connections / bare ping-pong", &status_cpu, 2, false);
}

/* Fill an index with a million certificates, half of them revoked. */
static void fill(struct bench *bench, const uint8_t fingerprint[static FINGERPRINT_SIZE])
{
    char *path = format("%s/%s", bench->state, "index.db");
    struct committer *committer = committer_of(path, fingerprint);
    struct commit *commits = calloc(FILL_BATCH, sizeof *commits);
    struct change *changes = calloc(2 * FILL_BATCH, sizeof *changes);
    struct serial *serials = calloc(FILL_BATCH, sizeof *serials);
    char (*names)[32] = calloc(FILL_BATCH, sizeof *names);
    for (uint64_t number = 1; number <= MILLION;) {
        for (int i = 0; i < FILL_BATCH; i++, number++) {
            struct certificate_row row = sample_row(bench, number);
            snprintf(names[i], sizeof names[i], "%s", row.name);
            row.name = names[i];
            serials[i] = row.serial;
            changes[2 * i] = (struct change){.kind = CHANGE_INSERT, .u.insert = row};
            changes[2 * i + 1] = (struct change){.kind = CHANGE_REVOKE, .u.revoke = {.serials = &serials[i], .count = 1, .reason = 1, .at = time(NULL)}};
            commits[i] = (struct commit){.next = i + 1 < FILL_BATCH ? &commits[i + 1] : NULL, .changes = &changes[2 * i],
                                         .change_count = 1 + (number & 1)};
        }
        commit_and_wait(committer, commits, FILL_BATCH);
    }
    committer_stop(committer);
    committer_free(committer);
    free(path);
    free(commits);
    free(changes);
    free(serials);
    free(names);
}

/* The same certificates must be known to both: the full index is a copy of the empty one, filled. */
static void bench_million(struct bench *empty, struct bench *full)
{
    struct series verify = {0}, sign = {0}, p99 = {0};
    for (int round = 0; round < ROUNDS; round++) {
        struct load_result a = load_run(empty->socket, 32, empty->verify, CERTIFICATES, slice);
        struct load_result b = load_run(full->socket, 32, full->verify, CERTIFICATES, slice);
        series_add(&verify, (double)b.answers / b.seconds / ((double)a.answers / a.seconds));
        struct load_result c = load_run(empty->socket, 32, empty->sign, CSRS, slice);
        struct load_result d = load_run(full->socket, 32, full->sign, CSRS, slice);
        series_add(&sign, (double)d.answers / d.seconds / ((double)c.answers / c.seconds));
        series_add(&p99, c.p99 / d.p99);
    }
    table_row("Verify/s with 1,000,000 certificates, 500,000 revoked / empty", &verify, 0.9, true);
    table_row("Sign/s with 1,000,000 certificates / empty", &sign, 0.75, true);
    table_row("Sign p99, empty / with 1,000,000", &p99, 0.75, true);
}

static void bench_issue_step(const struct bench *bench)
{
    struct series ratio = {0}, ours = {0};
    for (int round = 0; round < ROUNDS; round++) {
        double mine = issue_step_ours(bench->csr, CSRS, slice / 2), theirs = issue_step_x509(bench->csr, CSRS, slice / 2);
        series_add(&ratio, theirs / mine);
        series_add(&ours, mine * 1e6);
    }
    table_note("issue step in process (CSR DER to certificate DER), us", &ours);
    table_row("issue step, ordinary X509 API / ours", &ratio, 3, true);
}

static void bench_process(struct bench *bench, const char *bare)
{
    struct series rss = {0}, start = {0};
    int pid = fork();
    if (pid == 0) {
        execl(bare, "bare", "wait", (char *)NULL);
        _exit(127);
    }
    usleep(300 * 1000);
    series_add(&rss, (double)(rss_of(bench->agent_child) + rss_of(bench->keeper)) / (double)rss_of(pid));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    for (int round = 0; round < ROUNDS; round++) {
        char *const program[] = {(char *)bare, NULL};
        double before = clock_now();
        run(program);
        double alone = clock_now() - before;
        agent_stop(bench);
        before = clock_now();
        agent_start(bench);
        series_add(&start, (clock_now() - before) / alone);
    }
    table_row("idle RSS of agent + keeper / bare program with libcrypto", &rss, 3, false);
    table_row("start to first answer / bare program with libcrypto", &start, 3, false);
}

/* mtlsctl sign as a whole process beside openssl ca as a whole process. */
static void bench_mtlsctl(struct bench *bench, const char *scratch)
{
    struct series ratio = {0};
    char *program = format("%s/%s", bench->build, "mtlsctl"), *csr = format("%s/%s", scratch, "one.csr");
    char *out = format("%s/%s", scratch, "one.crt"), *openssl = format("%s/%s", scratch, "openssl-ca.sh");
    FILE *file = fopen(csr, "we");
    fputs(bench->csr[0], file);
    fclose(file);
    for (int round = 0; round < ROUNDS; round++) {
        char *const ours[] = {program, (char *)"sign", csr, (char *)"--socket", bench->socket, (char *)"--out", out, (char *)"--force", NULL};
        char *const prepare[] = {(char *)"sh", openssl, (char *)"prepare", (char *)scratch, NULL};
        char *const theirs[] = {(char *)"openssl", (char *)"ca", (char *)"-batch", (char *)"-config", format("%s/%s", scratch, "openssl/ca.cnf"),
                                (char *)"-in", csr, (char *)"-out", format("%s/%s", scratch, "openssl/out.crt"), (char *)"-notext", NULL};
        if (round == 0 && run(prepare))
            die("openssl ca, preparation");
        double before = clock_now();
        if (run(ours))
            die("mtlsctl sign");
        double mine = clock_now() - before;
        before = clock_now();
        if (run(theirs))
            die("openssl ca");
        series_add(&ratio, mine / (clock_now() - before));
    }
    table_row("mtlsctl sign / openssl ca, whole processes", &ratio, 0.3, false);
    free(program);
    free(csr);
    free(out);
    free(openssl);
}

/* openssl ca wants a directory and a configuration. */
static void write_openssl_ca(const char *scratch)
{
    char *path = format("%s/%s", scratch, "openssl-ca.sh");
    FILE *file = fopen(path, "we");
    fputs("set -e; d=$2/openssl; mkdir -p $d; : >$d/index.txt; echo 01 >$d/serial\n"
          "printf '[ca]\\ndefault_ca=c\\n[c]\\ndatabase=%s/index.txt\\nserial=%s/serial\\nnew_certs_dir=%s\\ncertificate=%s/ca.crt\\n"
          "private_key=%s/ca.key\\ndefault_md=sha256\\ndefault_days=90\\npolicy=p\\nunique_subject=no\\n"
          "x509_extensions=x\\n[p]\\ncommonName=supplied\\n[x]\\n"
          "basicConstraints=critical,CA:FALSE\\nkeyUsage=critical,digitalSignature\\nextendedKeyUsage=clientAuth\\n"
          "subjectAltName=DNS:client\\n' $d $d $d $d $d >$d/ca.cnf\n"
          "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $d/ca.key -out $d/ca.crt -subj /CN=x -days 100\n", file);
    fclose(file);
    free(path);
}

int main(int argc, char **argv)
{
    static struct bench empty, full;
    if (argc != 3) {
        fputs("usage: bench_agent BUILD SCRATCH (make bench)\n", stderr);
        return 2;
    }
    const char *scratch = argv[2];
    empty.build = full.build = argv[1];
    issue_step_prepare();
    write_openssl_ca(scratch);
    prepare_agent(&empty, scratch, "empty");
    agent_start(&empty);
    prepare_messages(&empty);
    table_head();
    bench_issue_step(&empty);
    bench_throughput(&empty, scratch);
    bench_mtlsctl(&empty, scratch);
    char *bare = format("%s/%s", argv[1], "bench/bare");
    bench_process(&empty, bare);
    prepare_agent(&full, scratch, "full");
    agent_start(&full);
    prepare_messages(&full);
    agent_stop(&full);
    uint8_t fingerprint[FINGERPRINT_SIZE], *der = NULL;
    int length = i2d_X509(full.authority, &der);
    if (length <= 0 || certificate_fingerprint(der, (size_t)length, fingerprint))
        die("authority");
    fill(&full, fingerprint);
    agent_start(&full);
    bench_million(&empty, &full);
    agent_stop(&full);
    agent_stop(&empty);
    return 0;
}
