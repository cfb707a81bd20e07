/*
 * world_fixture.h - what plans and replies look at, real but small: a CA, an index in a directory of its own, a policy from a text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MTLSD_TESTS_UNIT_WORLD_FIXTURE_H
#define MTLSD_TESTS_UNIT_WORLD_FIXTURE_H

#include <fcntl.h>
#include <ftw.h>
#include <openssl/pem.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/anchors.h"
#include "agent/engine.h"
#include "tests/unit/pki.h"
#include "tests/unit/unit.h"

enum { SOMEBODY = 1001, WORLD_DAY = 86400 };

struct world_fixture {
    char directory[64], policy_directory[80], database[80];
    struct config *config;
    EVP_PKEY *ca_key;
    X509 *ca;
    struct authority *authority;
    struct committer *committer;
    struct store *store;
    struct policy *policy;
    struct anchors *anchors;
    struct crl_status crl;
    struct vitals vitals;
    struct world world;
    struct failure failure;
};

static inline void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    ck_assert_msg(file != NULL, "%s", path);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
    chmod(path, 0644);
}

/* The policy of service "default"; read by world_read_policy or a reload. */
static inline void world_write_policy(const struct world_fixture *fixture, const char *text)
{
    char path[100];
    snprintf(path, sizeof path, "%s/default", fixture->policy_directory);
    write_text(path, text);
}

static inline void world_read_policy(struct world_fixture *fixture)
{
    policy_free(fixture->policy);
    anchors_unref(fixture->anchors);
    ck_assert_msg(engine_read_policy(fixture->config, &fixture->policy, &fixture->anchors, &fixture->failure) == 0, "%s",
                  fixture->failure.reason);
    fixture->world.policy = fixture->policy;
    fixture->world.anchors = fixture->anchors;
}

static inline void world_make_authority(struct world_fixture *fixture)
{
    int64_t now = time(NULL);
    fixture->ca_key = pki_key("ec:P-256");
    const struct pki_certificate wanted = {.subject = "Test CA", .serial = 1, .key = fixture->ca_key, .from = now - WORLD_DAY,
                                           .until = now + INT64_C(3650) * WORLD_DAY, .extensions = {PKI_CA}};
    uint8_t *der;
    fixture->ca = pki_certificate(&wanted);
    size_t length = pki_der(fixture->ca, &der);
    ck_assert_int_eq(authority_parse(der, length, &fixture->authority, &fixture->failure), 0);
    OPENSSL_free(der);
}

/* `more` are further lines of [agent]. */
static inline void world_begin(struct world_fixture *fixture, const char *policy, const char *more)
{
    char text[2048];
    memset(fixture, 0, sizeof *fixture);
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/mtlsd-world-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture->directory));
    snprintf(fixture->policy_directory, sizeof fixture->policy_directory, "%s/policy.d", fixture->directory);
    snprintf(fixture->database, sizeof fixture->database, "%s/index.db", fixture->directory);
    ck_assert_int_eq(mkdir(fixture->policy_directory, 0755), 0);
    world_write_policy(fixture, policy);
    int length = snprintf(text, sizeof text, "[agent]\nstate=%s\npolicy=%s\nsocket=%s/agent.sock\n%s", fixture->directory,
                          fixture->policy_directory, fixture->directory, more ? more : "");
    FILE *stream = fmemopen(text, (size_t)length, "r");
    ck_assert_msg(config_read(stream, "test.conf", &fixture->config, &fixture->failure) == 0, "%s", fixture->failure.reason);
    fclose(stream);
    world_make_authority(fixture);
    const uint8_t *fingerprint = fixture->authority->facts.fingerprint;
    ck_assert_int_eq(committer_start(fixture->database, fingerprint, &fixture->committer, &fixture->failure), 0);
    ck_assert_int_eq(store_open(fixture->database, fingerprint, &fixture->store, &fixture->failure), 0);
    fixture->vitals.sandbox = "none";
    fixture->vitals.page = "0";
    fixture->world = (struct world){.config = fixture->config, .authority = fixture->authority, .store = fixture->store,
                                    .crl = &fixture->crl, .vitals = &fixture->vitals, .now = time(NULL)};
    world_read_policy(fixture);
}

static inline int remove_one(const char *path, const struct stat *status, int type, struct FTW *level)
{
    (void)status, (void)type, (void)level;
    return remove(path);
}

static inline void remove_tree(const char *directory)
{
    ck_assert_int_eq(nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static inline void world_end(struct world_fixture *fixture)
{
    policy_free(fixture->policy);
    anchors_unref(fixture->anchors);
    store_close(fixture->store);
    committer_stop(fixture->committer);
    committer_free(fixture->committer);
    authority_free(fixture->authority);
    X509_free(fixture->ca);
    EVP_PKEY_free(fixture->ca_key);
    config_free(fixture->config);
    remove_tree(fixture->directory);
}

static inline struct serial serial_of(uint64_t number)
{
    struct serial serial = {.length = 8};
    for (int i = 0; i < 8; i++)
        serial.bytes[i] = (uint8_t)((number + (UINT64_C(1) << 56)) >> (56 - 8 * i));
    return serial;
}

/* `count` certificates more in the index, issued behind the agent's back, with serials from `number` on: SANs one a line. Waits until they
 * are durable. */
static inline void world_insert_many(struct world_fixture *fixture, uint64_t number, size_t count, const char *name, const char *sans,
                                     const char *profile)
{
    static const uint8_t der[4] = {0x30, 2, 5, 0};
    int64_t now = time(NULL);
    struct change *changes = calloc(count, sizeof *changes);
    for (size_t i = 0; i < count; i++) {
        changes[i].kind = CHANGE_INSERT;
        changes[i].u.insert = (struct certificate_row){
            .serial = serial_of(number + i), .fingerprint = {(uint8_t)number, 1}, .der = der, .der_length = sizeof der, .name = name,
            .subject = name, .sans = sans, .label = "", .profile = profile, .service = "default", .request_id = "",
            .not_before = now - 60, .not_after = now + WORLD_DAY, .issued_at = now, .requester_uid = 0, .purposes = 3, .reason = -1,
            .last_service = "", .last_address = ""};
    }
    struct commit commit = {.changes = changes, .change_count = count};
    committer_submit(fixture->committer, &commit);
    for (struct commit *list = NULL; !list;) {
        struct pollfd ready = {.fd = committer_fd(fixture->committer), .events = POLLIN};
        ck_assert_int_eq(poll(&ready, 1, 20000), 1);
        list = committer_take(fixture->committer);
        ck_assert(!list || list == &commit);
    }
    ck_assert_msg(commit.outcome == COMMIT_DONE, "%s", commit.failure.reason);
    free(changes);
}

static inline struct serial world_insert(struct world_fixture *fixture, uint64_t number, const char *name, const char *sans,
                                         const char *profile)
{
    world_insert_many(fixture, number, 1, name, sans, profile);
    return serial_of(number);
}

static inline const char *serial_text(struct serial serial)
{
    static char text[4][SERIAL_TEXT_SIZE];
    static unsigned turn;
    char *out = text[turn++ % 4];
    serial_format(&serial, out);
    return out;
}

/* A CSR in PEM with nothing but a CN, in memory that the caller frees. */
static inline char *make_csr(const char *common_name)
{
    static EVP_PKEY *key;
    X509_REQ *request = X509_REQ_new();
    X509_NAME *name = pki_name(common_name);
    key = key ? key : pki_key("ec:P-256");
    ck_assert_int_eq(X509_REQ_set_version(request, 0) & X509_REQ_set_subject_name(request, name) & X509_REQ_set_pubkey(request, key), 1);
    ck_assert_int_gt(X509_REQ_sign(request, key, EVP_sha256()), 0);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    ck_assert_int_eq(PEM_write_bio_X509_REQ(bio, request), 1);
    long length = BIO_get_mem_data(bio, &text);
    char *copy = strndup(text, (size_t)length);
    BIO_free(bio);
    X509_NAME_free(name);
    X509_REQ_free(request);
    return copy;
}

#endif
