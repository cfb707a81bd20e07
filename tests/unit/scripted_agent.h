/*
 * scripted_agent.h - an agent of a few rules on a socket of its own, and whole invocations of mtlsctl against it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_TESTS_UNIT_SCRIPTED_AGENT_H
#define MTLSD_TESTS_UNIT_SCRIPTED_AGENT_H

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/cli/cli.h"
#include "client/cli/local.h"

static char directory[64];

/* --- a key and a certificate of our own --- */

static char *key_pem, *certificate_pem, fingerprint[FINGERPRINT_TEXT_SIZE];
enum { DAY = 86400, LIFE = 90 * DAY };

static inline char *bio_text(BIO *bio)
{
    char *data, *text;
    long size = BIO_get_mem_data(bio, &data);
    text = strndup(data, (size_t)size);
    BIO_free(bio);
    return text;
}

static inline void make_certificate(const char *name, const char *san)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 0x1234);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), LIFE);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
    ck_assert_int_gt(X509_sign(x, key, EVP_sha256()), 0);
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, x);
    free(certificate_pem);
    certificate_pem = bio_text(out);
    out = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    free(key_pem);
    key_pem = bio_text(out);
    unsigned char digest[FINGERPRINT_SIZE];
    X509_digest(x, EVP_sha256(), digest, NULL);
    fingerprint_format(digest, fingerprint);
    X509_free(x);
    EVP_PKEY_free(key);
}

/* --- the scripted agent: one thread, a rule for each method --- */

static struct {
    int fd;
    const char *status, *profile, *san; /* of the record that Get, Issue and the others tell */
    const char *error;                  /* answer everything with it; NULL: do what is asked */
    bool forgets;                       /* Get finds nothing */
    int64_t count;                      /* hits of Revoke */
    int issued, asked, revoked;         /* changes; calls */
    char last[65536];                   /* the last call */
} agent;

static inline json_t *record(void)
{
    json_t *sans = json_pack("[s]", agent.san);
    return json_pack("{ss,ss,ss,ss,so,ss,ss,ss,ss,ss,ss,ss,si}", "serial", "1234", "authority", "CN=X",
                     "subject", "CN=alice", "name", "alice", "sans", sans, "profile", agent.profile,
                     "service", "default", "status", agent.status, "notBefore", "2026-11-23T20:00:00Z",
                     "notAfter", "2127-02-21T20:00:00Z", "issuedAt", "2026-11-23T20:05:00Z", "fingerprint",
                     fingerprint, "requesterUid", 1000);
}

static inline json_t *answer_issue(json_t *parameters, bool key)
{
    bool dry = json_is_true(json_object_get(parameters, "dryRun"));
    agent.issued += !dry;
    json_t *reply = json_pack("{sb,so,s[],sb,s[]}", "changed", !dry, "certificate", record(), "chain",
                              "clamped", 0, "ignored");
    if (!dry)
        json_object_set_new(reply, "pem", json_string(certificate_pem));
    if (!dry && key)
        json_object_set_new(reply, "privateKey", json_string(key_pem));
    return reply;
}

static inline json_t *answer_revoke(json_t *parameters)
{
    bool dry = json_is_true(json_object_get(parameters, "dryRun")),
         several = json_is_true(json_object_get(parameters, "several"));
    if (agent.count > 1 && !several)
        return NULL;
    agent.revoked += dry ? 0 : (int)agent.count;
    return json_pack("{sb,si,s[s]}", "changed", !dry, "count", (int)agent.count, "serials", "1234");
}

static inline char *answer(const char *call)
{
    json_t *message = json_loads(call, 0, NULL), *reply = NULL,
           *parameters = json_object_get(message, "parameters");
    const char *method = strrchr(json_string_value(json_object_get(message, "method")), '.') + 1;
    const char *error = agent.error;
    agent.asked++;
    snprintf(agent.last, sizeof agent.last, "%s", call);
    if (!error && !strcmp(method, "Issue"))
        reply = answer_issue(parameters, true);
    else if (!error && !strcmp(method, "Sign"))
        reply = answer_issue(parameters, false);
    else if (!error && !strcmp(method, "Renew"))
        reply = answer_issue(parameters, true);
    else if (!error && !strcmp(method, "Get") && !agent.forgets)
        reply = json_pack("{so,ss,s[]}", "certificate", record(), "pem", certificate_pem, "chain");
    else if (!error && !strcmp(method, "Get"))
        error = "{\"error\":\"io.mtlsd.Agent.NotFound\",\"parameters\":{\"reason\":\"no such certificate\"}}";
    else if (!error && !strcmp(method, "Revoke") && !(reply = answer_revoke(parameters)))
        error =
            "{\"error\":\"io.mtlsd.Agent.Conflict\",\"parameters\":{\"reason\":\"two live certificates fit\",\"serials\":[\"01\",\"02\"]}}";
    else if (!error && !strcmp(method, "Verify"))
        reply = json_pack("{sb,ss,s[],ss}", "valid", 0, "reason", "revoked", "vary", "page", "00");
    else if (!error && !strcmp(method, "Export"))
        reply = json_pack("{so,ss,ss}", "certificate", record(), "format", "p12", "data", "UDEy");
    else if (!error && !strcmp(method, "List"))
        reply = json_pack("{s[oo]}", "certificates", record(), record());
    json_decref(message);
    json_t *envelope = reply ? json_pack("{so}", "parameters", reply) : NULL;
    char *text = envelope ? json_dumps(envelope, JSON_COMPACT) : strdup(error);
    json_decref(envelope);
    return text;
}

static inline void serve(int fd)
{
    static char call[65536];
    size_t length = 0;
    for (;;) {
        ssize_t count = read(fd, call + length, sizeof call - length);
        if (count <= 0)
            return;
        length += (size_t)count;
        if (call[length - 1] != '\0')
            continue;
        char *text = answer(call);
        ck_assert_int_gt(send(fd, text, strlen(text) + 1, MSG_NOSIGNAL), 0);
        free(text);
        length = 0;
    }
}

static inline void *listen_and_serve(void *unused)
{
    (void)unused;
    for (;;) {
        int fd = accept4(agent.fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        serve(fd);
        close(fd);
    }
}

static pthread_t thread;

static inline void set_up(void)
{
    snprintf(directory, sizeof directory, "/tmp/cli-commands-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    make_certificate("alice", "DNS:alice");
    memset(&agent, 0, sizeof agent);
    agent.status = "live";
    agent.profile = "client";
    agent.san = "DNS:alice";
    agent.count = 1;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "agent.sock"};
    agent.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(agent.fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(agent.fd, 8), 0);
    setenv("MTLS_SOCKET", "agent.sock", 1);
    /* No terminal: what is asked on one is not asked here. */
    ck_assert_ptr_nonnull(freopen("/dev/null", "r", stdin));
    ck_assert_int_eq(pthread_create(&thread, NULL, listen_and_serve, NULL), 0);
}

static inline void tear_down(void)
{
    shutdown(agent.fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(agent.fd);
    static const char *const names[] = {"agent.sock", "stdout",    "stderr", "alice.key",
                                        "alice.crt",  "alice.p12", "pass",   "bob.key",
                                        "bob.crt",    "x.key",     "x.crt"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(names[i]);
    ck_assert_int_eq(rmdir(directory), 0);
}

/* --- running --- */

static char out[65536], err[8192];

static inline void read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = read(fd, text, size - 1);
    text[count > 0 ? count : 0] = '\0';
    close(fd);
}

static inline int run(const char *const *argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    fflush(NULL);
    int saved_out = dup(STDOUT_FILENO), saved_err = dup(STDERR_FILENO);
    int to = open("stdout", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600),
        errors = open("stderr", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(to, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    close(to);
    close(errors);
    int code = cli_main(argc, (char **)argv);
    fflush(NULL);
    dup2(saved_out, STDOUT_FILENO);
    dup2(saved_err, STDERR_FILENO);
    close(saved_out);
    close(saved_err);
    read_text("stdout", out, sizeof out);
    read_text("stderr", err, sizeof err);
    return code;
}

#define RUN(...) run((const char *const[]){"mtlsctl", __VA_ARGS__, NULL})
#define EXPECT(code, ...) \
    do { \
        int got = RUN(__VA_ARGS__); \
        ck_assert_msg(got == (code), "%d: %s%s", got, out, err); \
    } while (0)

static inline void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

#endif
