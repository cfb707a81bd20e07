#!/bin/sh
# deps.sh - the one list of Debian packages and what each is for; installs by apt what is missing, silent when nothing is.
# SPDX-License-Identifier: Apache-2.0
#
# usage: packaging/deps.sh GROUP...      groups: build demo test lint
# The names are the same in Debian 12, Debian 13 and Ubuntu 24.04.
set -eu

list='
build gcc                          the compiler
build libc6-dev                    the C library
build pkgconf                      finds the libraries below
build libssl-dev                   X.509, signatures, PKCS#12 (OpenSSL 3)
build libsodium-dev                sealing, locked memory, hashing, randomness
build libsystemd-dev               event loop, socket activation, readiness, journal
build libsqlite3-dev               the index
build libjansson-dev               JSON
build libseccomp-dev               the sandbox
build libinih-dev                  the configuration file
demo  nginx                        the web server that asks for the certificate
demo  curl                         the visitor
demo  openssl                      looks at certificates from outside
test  check                        unit tests
test  libpam0g-dev                 the real PAM, to hold the policy stacks against
test  bats                         end-to-end tests
test  util-linux                   setpriv, unshare: other users, small file systems
test  python3                      raw sockets and JSON in the tests
test  easy-rsa                     the way it was done before
test  golang-go                    the Go peer
test  golang-github-varlink-go-dev Go'"'"'s varlink library
test  mmdebstrap                   brings varlinkctl 257 of Debian 13 into build/
test  debian-archive-keyring       for mmdebstrap
lint  clang                        second compiler, libFuzzer
lint  libclang-rt-dev              libFuzzer and the sanitizers of clang
lint  clang-tidy                   C lint
lint  shellcheck                   shell lint
lint  mandoc                       man page lint
'

[ $# -gt 0 ] || set -- build demo test
wanted=$(printf '%s\n' "$list" | awk -v groups="$*" 'BEGIN { n = split(groups, g, " "); for (i = 1; i <= n; i++) in_group[g[i]] = 1 }
    NF && in_group[$1] { print $2 }')
[ -n "$wanted" ] || { echo "deps: no such group: $*; the groups are build demo test lint" >&2; exit 2; }

missing() {
    for package in $wanted; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

if ! command -v dpkg-query >/dev/null; then
    echo "deps: no dpkg here; on a system other than Debian or Ubuntu install the equivalents of:" >&2
    echo "$wanted" >&2
    exit 1
fi
needed=$(missing)
[ -n "$needed" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    sudo=sudo
    if ! command -v sudo >/dev/null; then
        echo "deps: these packages are missing, and there is no sudo; as root run:" >&2
        # shellcheck disable=SC2086 # a list of words
        echo "    apt-get install --no-install-recommends" $needed >&2
        exit 1
    fi
fi
echo "deps: installing with ${sudo:+sudo }apt-get:"
for package in $needed; do
    printf '%s\n' "$list" | awk -v p="$package" '$2 == p { line = $0; sub(/^[^ ]+ +[^ ]+ +/, "", line); printf "    %-28s %s\n", p, line }'
done
case " $(echo "$needed" | tr '\n' ' ') " in
*' nginx '*) echo "    (the nginx package starts its own default site; nothing here uses it)" ;;
esac

# Two checkouts may do this at once: one waits for the other, then finds less missing or nothing. The lock is on a directory
# that is there on every Debian, so that no file is left behind.
exec 9</var/lib/dpkg
flock -w 1800 9 || { echo "deps: another installation holds the lock for half an hour; try again" >&2; exit 1; }
needed=$(missing)
[ -n "$needed" ] || exit 0
try=1
while :; do
    # shellcheck disable=SC2086 # a list of words; none for root
    if $sudo apt-get -qq update </dev/null && DEBIAN_FRONTEND=noninteractive $sudo apt-get -qq -o DPkg::Lock::Timeout=900 \
        -o Dpkg::Use-Pty=0 install --no-install-recommends -y $needed </dev/null 9<&- >/dev/null; then
        break
    fi
    [ $try -lt 5 ] || { echo "deps: apt-get failed five times; its messages are above" >&2; exit 1; }
    try=$((try + 1))
    sleep $((try * 5))
done
needed=$(missing)
[ -z "$needed" ] || { echo "deps: still missing:" "$needed" >&2; exit 1; }
