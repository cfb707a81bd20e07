# shape.bash - what the shape tests share: lists of sources, sources without their comments.
# SPDX-License-Identifier: Apache-2.0
bats_require_minimum_version 1.5.0
ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
BUILD=$(realpath "${MTLSD_BUILD:-$ROOT/build}")
cd "$ROOT" || exit 1

sources() { find proto agent client include -name '*.[ch]' | sort; }
# A file without comments (its strings stay).
bare() { gcc -fpreprocessed -dD -E -P "$1" 2>/dev/null; }
# only_in PATTERN PATH-REGEX: the pattern (extended, on bare sources) stands in files that match, and in no other.
only_in() {
    local file found=0
    for file in $(sources); do
        # What stands in a sentence is not used.
        if bare "$file" | sed 's/"[^"]*"//g' | grep -Eq -- "$1"; then
            if [[ $file =~ ^($2)$ ]]; then
                found=1
            else
                echo "$file: $(bare "$file" | grep -En -m 1 -- "$1") - stands outside $2"
                return 1
            fi
        fi
    done
    [ $found = 1 ] || { echo "nobody uses $1: this test has lost its object"; return 1; }
}
nowhere() {
    local file
    for file in $(sources); do
        if bare "$file" | grep -En -m 1 -- "$1"; then
            echo "in $file"
            return 1
        fi
    done
}
sanitized() { [[ $BUILD == */san-* ]]; }
needs() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' | grep -Ev '^lib(asan|ubsan|tsan|m|gcc_s|stdc\+\+|dl|pthread|rt)\.so' | sort | xargs; }
