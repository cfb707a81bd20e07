/*
 * fuzz_grant.c - whatever a taken agent may send: packet, floor, certificate, CRL, audit head. Nothing crashes, and
 * what is signed is a leaf.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * The input is a sequence of packets, each behind its length (two bytes, little-endian).
 */
#include <fcntl.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/keeper/link.h"
#include "agent/keeper/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { NOW = 1800000000 }; /* grants of the corpus are of that day */
static struct keeper keeper;
static struct link link_;
static int pair[2];

static void must(int result)
{
    if (result)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct failure failure;
    struct signer *signer;
    struct floor floor;
    uint8_t *pkcs8;
    char *pem;
    size_t length, pem_length;
    (void)argc, (void)argv;
    floor_default(&floor);
    must(sodium_init() < 0);
    must(signer_prepare(&failure));
    must(signer_generate((struct key_type){KEY_EC_P256, 0}, &pkcs8, &length, &failure));
    const struct authority_wish wish = {"Fuzz CA", NOW - 86400, (int64_t)NOW + 3650 * INT64_C(86400), &floor, pkcs8, length};
    must(authority_make(&wish, &pem, &pem_length, &failure));
    must(authority_read(pem, pem_length, &keeper.authority, &failure));
    must(signer_open(pkcs8, length, &signer, &failure));
    must(authority_open(&keeper.authority, signer, &floor, &failure));
    memory_free(pkcs8);
    free(pem);
    keeper.counter.fd = memfd_create("counter", MFD_CLOEXEC);
    must(keeper.counter.fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair));
    link_init(&link_);
    return 0;
}

/* Whatever was asked for: no CA, no right to sign certificates, no life over the floor. */
static void check_certificate(const struct keeper_packet *packet)
{
    const uint8_t *at = packet->u.certificate.der;
    X509 *certificate = d2i_X509(NULL, &at, (long)packet->u.certificate.length);
    must(!certificate || at != packet->u.certificate.der + packet->u.certificate.length);
    must(X509_check_ca(certificate) != 0);
    must((X509_get_key_usage(certificate) & ~(uint32_t)(KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT)) != 0);
    must((X509_get_extended_key_usage(certificate) & ~(uint32_t)(XKU_SSL_CLIENT | XKU_SSL_SERVER | XKU_SMIME)) != 0);
    time_t latest = NOW + FLOOR_MAX_LIFE_DEFAULT + FLOOR_PAST_MAX;
    must(X509_cmp_time(X509_get0_notAfter(certificate), &latest) > 0);
    must(X509_verify(certificate, signer_key(keeper.authority.signer)) != 1);
    X509_free(certificate);
}

/* The keeper's own answers are messages. */
static void hear(void)
{
    static uint8_t answer[GRANT_PACKET_MAX];
    ssize_t length;
    while ((length = recv(pair[1], answer, sizeof answer, MSG_DONTWAIT)) > 0) {
        struct keeper_packet packet;
        must(keeper_packet_read(answer, (size_t)length, &packet));
        if (packet.type == KEEPER_SIGNED)
            check_certificate(&packet);
        keeper_packet_clear(&packet);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    keeper.counter.has_head = false;
    link_open(&link_, &keeper, dup(pair[0]));
    while (size >= 2) {
        size_t length = (size_t)data[0] | (size_t)data[1] << 8;
        data += 2;
        size -= 2;
        if (length > size)
            length = size;
        uint8_t *exact = malloc(length ? length : 1);
        memcpy(exact, data, length);
        int result = link_handle(&link_, &keeper, exact, length, NOW);
        free(exact);
        hear();
        if (result)
            break;
        data += length;
        size -= length;
    }
    link_close(&link_);
    return 0;
}
