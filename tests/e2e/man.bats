#!/usr/bin/env bats
# man.bats - the manual knows every key, every command, every option; and `make install` puts everything where the manual says.
# SPDX-License-Identifier: Apache-2.0
load helper

MAN=$ROOT/packaging/man

setup_file() { scratch man; }
teardown_file() { tear_down; }

@test "every key of mtlsd --help-config stands in mtlsd.conf(5), and no other" {
    "$BIN/mtlsd" --help-config >"$S/keys"
    section=
    while IFS= read -r line; do
        if [[ $line =~ ^\[(.*)\]$ ]]; then
            section=${BASH_REMATCH[1]}
        elif [[ $line =~ ^\ \ ([a-z0-9-]+)\ +[^\ ] ]]; then
            echo "$section ${BASH_REMATCH[1]}"
        fi
    done <"$S/keys" | sort >"$S/known"
    awk '$1 == ".Sh" { section = "" } $1 == ".Ss" { section = $2; gsub(/[\[\]"]/, "", section) } section && $1 == ".It" && $2 == "Cm" { sub(/=$/, "", $3); print section, $3 }' \
        "$MAN/mtlsd.conf.5" | sort >"$S/described"
    [ "$(wc -l <"$S/known")" -gt 30 ]
    diff "$S/known" "$S/described"
}

@test "every command of mtlsctl stands in mtlsctl(1), with every option of its --help" {
    commands=$(ctl --help | awk '/^[A-Z]/ { in_it = /^COMMANDS/ } in_it && /^    [a-z][a-z ]*[a-z]  / { sub(/^ +/, ""); sub(/  .*/, ""); print }')
    [ "$(wc -l <<<"$commands")" -ge 14 ]
    while read -r command; do
        grep -q "^\.\(It\|Ss\).* $command\b" "$MAN/mtlsctl.1" || { echo "mtlsctl(1) does not describe: $command"; false; }
        # shellcheck disable=SC2086 # "policy explain" is two words
        for option in $(ctl $command --help | grep -o -e '--[a-z][a-z0-9-]*' | sort -u); do
            grep -q -e "Fl -${option#--}\b" "$MAN/mtlsctl.1" || { echo "mtlsctl(1), $command: no $option"; false; }
        done
    done <<<"$commands"
}

@test "every function of mtls.h stands in libmtls(3)" {
    for function in $(grep -o '\bmtls_[a-z0-9_]*(' "$ROOT/include/mtls.h" | tr -d '(' | sort -u); do
        grep -q "$function" "$MAN/libmtls.3" || { echo "libmtls(3) does not describe: $function"; false; }
    done
}

@test "the options of mtlsd, mtlsd init and mtlsd-keeper stand in their pages" {
    for option in $({ "$BIN/mtlsd" --help && "$BIN/mtlsd" init --help; } | grep -o -e '--[a-z][a-z-]*' | sort -u); do
        grep -q -e "Fl -${option#--}\b" "$MAN/mtlsd.8" || { echo "mtlsd(8): no $option"; false; }
    done
    for option in $("$BIN/mtlsd-keeper" --help | grep -o -e '--[a-z][a-z-]*' | sort -u); do
        grep -q -e "Fl -${option#--}\b" "$MAN/mtlsd-keeper.8" || { echo "mtlsd-keeper(8): no $option"; false; }
    done
}

@test "make install into DESTDIR respects the GNU variables, and a program links through pkg-config" {
    make -s -C "$ROOT" BUILD="$BUILD" INSTALL_ONLY=1 install DESTDIR="$S/root" PREFIX=/usr libdir=/usr/lib/here sysconfdir=/etc
    for file in usr/bin/mtlsctl usr/sbin/mtlsd usr/sbin/mtlsd-keeper usr/lib/here/libmtls.so.0 usr/lib/here/libmtls.a usr/include/mtls.h \
        usr/lib/here/pkgconfig/libmtls.pc usr/share/man/man8/mtlsd.8 usr/share/man/man1/mtlsctl.1 usr/share/man/man5/mtlsd.conf.5 \
        usr/share/man/man3/libmtls.3 usr/lib/systemd/system/mtlsd.service usr/lib/systemd/system/mtlsd-keeper.socket; do
        [ -e "$S/root/$file" ] || { echo "not installed: $file"; false; }
    done
    cat >"$S/program.c" <<'EOF'
#include <mtls.h>
#include <stdio.h>
int main(void)
{
    return puts(MTLS_VERSION_TEXT) < 0;
}
EOF
    grep -q MTLS_VERSION_TEXT "$ROOT/include/mtls.h" || printf '#include <mtls.h>\nint main(void)\n{\n    return 0;\n}\n' >"$S/program.c"
    export PKG_CONFIG_SYSROOT_DIR=$S/root PKG_CONFIG_PATH=$S/root/usr/lib/here/pkgconfig
    plain_build_only
    # shellcheck disable=SC2046 # words
    cc -o "$S/program" "$S/program.c" $(pkg-config --cflags --libs libmtls)
    LD_LIBRARY_PATH=$S/root/usr/lib/here "$S/program"
}

@test "the installed units name what is installed, and systemd finds nothing wrong with them" {
    grep -q '^ExecStart=/usr/sbin/mtlsd ' "$S/root/usr/lib/systemd/system/mtlsd.service"
    grep -q '^ExecStart=/usr/sbin/mtlsd-keeper ' "$S/root/usr/lib/systemd/system/mtlsd-keeper.service"
    run ! grep -r PrivateUsers=yes "$S/root/usr/lib/systemd/system"
}
