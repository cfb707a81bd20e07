#!/usr/bin/env bats
# links.bats - the link line is the privilege list: what each executable can reach, what the library shows, how all are hardened.
# SPDX-License-Identifier: Apache-2.0
load shape

@test "mtlsd-keeper links libcrypto, libsodium and libseccomp, and nothing else" {
    run -0 needs "$BUILD/mtlsd-keeper"
    # Under a sanitizer there is no sandbox, and the linker drops what is not used.
    [[ $output =~ ^libc\.so\.6\ libcrypto\.so\.3\ (libseccomp\.so\.2\ )?libsodium\.so\.[0-9]+$ ]] || { echo "it links: $output"; false; }
}

@test "libmtls.so links jansson and nothing of OpenSSL" {
    run -0 needs "$BUILD/libmtls.so"
    [[ $output =~ ^libc\.so\.6\ libjansson\.so\.4$ ]] || { echo "it links: $output"; false; }
}

@test "mtlsctl links jansson and libcrypto" {
    run -0 needs "$BUILD/mtlsctl"
    [[ $output =~ ^libc\.so\.6\ libcrypto\.so\.3\ libjansson\.so\.4$ ]] || { echo "it links: $output"; false; }
}

@test "libmtls.so exports mtls_* and nothing else, and has a soname" {
    run -0 nm -D --defined-only "$BUILD/libmtls.so"
    bad=$(awk '$2 != "A" && $3 !~ /^mtls_/ { print $3 }' <<<"$output" | grep -v '^__\(asan\|ubsan\|tsan\|odr\)' || true)
    [ -z "$bad" ] || { echo "exported: $bad"; false; }
    [ "$(grep -c ' mtls_' <<<"$output")" -ge 10 ]
    readelf -d "$BUILD/libmtls.so" | grep -q 'SONAME.*\[libmtls\.so\.0\]'
}

@test "every function that mtls.h declares is exported, and no other" {
    declared=$(grep -v '^typedef' include/mtls.h | grep -o '\bmtls_[a-z0-9_]*(' | tr -d '(' | sort -u)
    exported=$(nm -D --defined-only "$BUILD/libmtls.so" | awk '$3 ~ /^mtls_/ && $2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort -u)
    diff <(echo "$declared") <(echo "$exported")
}

@test "mtlsd has no function in it that signs with a CA's key" {
    run -0 nm -D --undefined-only "$BUILD/mtlsd"
    for function in X509_sign X509_CRL_sign ASN1_item_sign EVP_DigestSign EVP_DigestSignFinal EVP_PKEY_sign; do
        if grep -qw "$function" <<<"$output"; then echo "mtlsd calls $function"; false; fi
    done
}

@test "mtlsd-keeper cannot resolve names, start a program or load code" {
    run -0 nm -D --undefined-only "$BUILD/mtlsd-keeper"
    for function in getaddrinfo gethostbyname execve execv execvp posix_spawn system popen dlopen; do
        if ! sanitized && grep -qw "$function" <<<"$output"; then echo "mtlsd-keeper calls $function"; false; fi
    done
}

@test "programs and library are hardened: PIE, RELRO, bind now, no executable stack, stack protector, CET" {
    for file in mtlsd mtlsd-keeper mtlsctl libmtls.so; do
        file=$BUILD/$file
        readelf -h "$file" | grep -q 'Type:.*DYN'
        readelf -lW "$file" | grep -q GNU_RELRO
        readelf -d "$file" | grep -qE 'BIND_NOW|FLAGS.*NOW'
        readelf -lW "$file" | grep GNU_STACK | grep -qv 'RWE'
        nm -D --undefined-only "$file" | grep -q __stack_chk_fail
        if ! sanitized; then nm -D --undefined-only "$file" | grep -q '_chk\(@\|$\)'; fi
    done
    # The start files of Debian's C library do not carry the mark, so it stands in our objects and not in what is linked.
    if [ "$(uname -m)" = x86_64 ] && ! sanitized; then readelf -n "$BUILD/obj/agent/keeper/main.o" | grep -q 'IBT.*SHSTK'; fi
}
