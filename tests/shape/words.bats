#!/usr/bin/env bats
# words.bats - exclusive vocabulary: what may be said in one room only, and what nowhere.
# SPDX-License-Identifier: Apache-2.0
load shape

@test "sqlite3_ stands in agent/store/ alone" { only_in '\bsqlite3_' 'agent/store/.*'; }
@test "SO_PEER* stands in proto/peer.c alone" { only_in '\bSO_PEER' 'proto/peer\.c'; }
@test "ini_ stands in proto/config* alone" { only_in '\bini_[a-z]' 'proto/config.*'; }
@test "no HTTP parser" { nowhere '\b(llhttp|http_parser)'; }
@test "seccomp_ stands in the two sandboxes alone" { only_in '\bseccomp_[a-z]+\(' 'agent/(sandbox.*|keeper/jail.*)\.c'; }
@test "sd_event_ stands in the agent's loop alone, never in operations, policy, store or keeper" {
    only_in '\bsd_event_' 'agent/[a-z_]+\.[ch]'
}

@test "private keys are decoded in one file a side" {
    only_in '\b(PEM_read_bio_PrivateKey|PEM_read_PrivateKey|d2i_(Auto)?PrivateKey\w*|d2i_PKCS8\w*|OSSL_DECODER_\w+)' \
        'agent/ca/private_key\.c|agent/keeper/signer\.c|client/cli/[a-z_]+\.c'
}

@test "nothing signs a certificate, a CRL or a digest outside the keeper" {
    only_in '\b(EVP_DigestSign\w*|EVP_PKEY_sign\w*|X509_sign\w*|X509_CRL_sign\w*|ASN1_item_sign\w*|ECDSA_do_sign\w*|RSA_sign)\(' 'agent/keeper/.*'
}

@test "programs are started in two places, and none of them is openssl; no shell is asked" {
    only_in '\b(execv|execve|execvp|execl|execlp|execle|fexecve|posix_spawnp?)\(' 'agent/(parent|init)\.c'
    nowhere '\b(system|popen|wordexp)\('
    nowhere '"([^"]*/)?openssl"'
}

@test "no function that cannot be used safely" {
    nowhere '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atoll|strtok|alloca|tmpnam|mktemp|rand|srand)\('
}

@test "extensions are never built from text" { nowhere '\bX509V3_(EXT_conf|EXT_nconf|EXT_conf_nid|EXT_add_conf)\w*\('; }

@test "every file of ours says what it is under which licence, in its first lines" {
    for file in $(sources) $(find tests packaging .ci -type f \( -name '*.[ch]' -o -name '*.bats' -o -name '*.bash' -o -name '*.sh' -o -name '*.py' -o -name run \)); do
        head -n 8 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || { echo "$file has no SPDX line"; false; }
    done
}

@test "nothing is left for later" {
    words='TO''DO|FIX''ME|X''XX\b|not impl''emented|placehold''er'
    run ! grep -rnEI "\b($words)" proto agent client include packaging docs README.md Makefile --include='*'
}

@test "no file is longer than 450 lines, no function longer than 70" {
    for file in $(sources); do
        [ "$(wc -l <"$file")" -le 450 ] || { echo "$file: $(wc -l <"$file") lines"; false; }
    done
    bad=$(sources | grep '\.c$' | xargs awk '
        FNR == 1 { open = 0 }
        /^{/ { open = FNR }
        /^}/ && open { if (FNR - open - 1 > 70) print FILENAME ":" open ": " FNR - open - 1 " lines"; open = 0 }')
    [ -z "$bad" ] || { echo "$bad"; false; }
}
