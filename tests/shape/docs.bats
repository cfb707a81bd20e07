#!/usr/bin/env bats
# docs.bats - the documents name what exists: tests, files, targets.
# SPDX-License-Identifier: Apache-2.0
load shape

@test "every test that docs/threat-model.md names exists" {
    count=0
    while IFS= read -r named; do
        file=${named%%: *}
        name=${named#*: }
        path=$(echo tests/*/"$file")
        [ -e "$path" ] || { echo "no such file: $file"; false; }
        grep -qF "@test \"$name\"" "$path" || { echo "$path has no test: $name"; false; }
        count=$((count + 1))
    done < <(grep -o '`[a-z_]*\.bats: [^`]*`' docs/threat-model.md | tr -d '`')
    [ "$count" -gt 30 ]
}

@test "every promise in docs/threat-model.md names a test" {
    bad=$(awk -F'|' '/^\|/ && !/^\| (promise|---)/ && $4 !~ /\.bats: /' docs/threat-model.md)
    [ -z "$bad" ] || { echo "$bad"; false; }
}

@test "files that README and CONTRIBUTING link to or name exist, and so do the goals of make" {
    while read -r path; do
        [ -e "$path" ] || [ -e "docs/$path" ] || { echo "no such file: $path"; false; }
    done < <(grep -oh '](\([a-zA-Z][^)#:]*\))' README.md CONTRIBUTING.md docs/*.md | sed 's/^](//; s/)$//')
    while read -r goal; do
        grep -qE "^([a-z][a-z0-9 -]* )?$goal( [a-z0-9 -]*)?:" Makefile || { echo "no such goal: $goal"; false; }
    done < <(grep -ohE '^ *make [a-z][a-z0-9-]*( [a-z][a-z0-9-]*)*' README.md CONTRIBUTING.md | sed 's/^ *make //' | tr ' ' '\n' | sort -u)
}
