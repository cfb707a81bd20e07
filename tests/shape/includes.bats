#!/usr/bin/env bats
# includes.bats - dependencies point one way: include <- proto <- (agent | client), and inside the agent from main down to the store.
# SPDX-License-Identifier: Apache-2.0
load shape

# "file included" for every #include of ours.
edges() { sources | xargs grep -H '^#include "' | sed 's/^\([^:]*\):#include "\([^"]*\)".*/\1 \2/'; }

# The rank of a room of the agent; a file includes its own room and lower ones.
rank() {
    case $1 in
    proto/* | include/* | mtls.h) echo 0 ;;
    agent/store/* | agent/policy/* | agent/keeper/*) echo 1 ;;
    agent/arena.* | agent/log.* | agent/pool.* | agent/epoch.* | agent/sandbox.*) echo 1 ;;
    agent/ca/*) echo 2 ;;
    agent/audit.* | agent/authority.* | agent/anchors.* | agent/keeper_link.*) echo 3 ;;
    agent/ops/*) echo 4 ;;
    agent/main.* | agent/init.*) echo 9 ;;
    agent/agent.* | agent/parent.*) echo 8 ;;
    agent/server*.* | agent/listen.* | agent/connection.*) echo 7 ;;
    agent/engine*.* | agent/job.*) echo 6 ;;
    agent/*) echo 5 ;;
    esac
}

@test "proto/ and include/ know neither agent/ nor client/" {
    run ! grep -n '^#include "\(agent\|client\)/' -r proto include
    run ! grep -n '^#include "' include/mtls.h
}

@test "agent/ and client/ do not know each other" {
    run ! grep -n '^#include "client/' -r agent
    run ! grep -n '^#include "agent/' -r client
    run ! grep -n '^#include "client/cli/' -r client/lib
}

@test "inside the agent nothing looks up: main, server, engine, (ops, policy), (ca, audit, keeper_link), (store, proto)" {
    bad=
    while read -r file included; do
        [[ $file == agent/* ]] || continue
        [ "$(dirname "$file")" = "$(dirname "$included")" ] && [ "$(dirname "$file")" != agent ] && continue
        [ "${file%.*}" = "${included%.*}" ] && continue
        [ "$(rank "$included")" -le "$(rank "$file")" ] || bad+="$file (room $(rank "$file")) includes $included (room $(rank "$included"))"$'\n'
    done < <(edges)
    [ -z "$bad" ] || { echo "$bad"; false; }
}

@test "store, policy and keeper know only themselves and proto/" {
    bad=$(edges | awk '$1 ~ "^agent/(store|policy|keeper)/" { split($1, room, "/"); if ($2 !~ "^proto/" && $2 !~ "^agent/" room[2] "/") print }')
    [ -z "$bad" ] || { echo "$bad"; false; }
}

@test "the keeper knows no JSON, no varlink, no configuration file" {
    bad=$(edges | grep '^agent/keeper/' | grep -E ' proto/(message|schema|calls|frame|service|config)' || true)
    [ -z "$bad" ] || { echo "$bad"; false; }
}

@test "operations know nothing of sockets, batches, threads or the keeper's channel" {
    bad=$(edges | grep '^agent/ops/' | grep -E ' agent/(server|engine|pool|keeper_link|epoch|crl_publisher|listen)' || true)
    [ -z "$bad" ] || { echo "$bad"; false; }
    for file in agent/ops/*.[ch]; do
        run ! grep -nE 'sd_event|pthread_|<sys/socket\.h>|<poll\.h>|epoll_' "$file"
    done
}

@test "no header includes itself, over however many others" {
    python3 - <<'EOF'
import pathlib, re
graph = {}
for path in [p for d in ("proto", "agent", "client", "include") for p in pathlib.Path(d).rglob("*.h")]:
    graph[str(path)] = re.findall(r'^#include "([^"]+)"', path.read_text(), re.M)
state = {}
def visit(node, trail):
    if state.get(node) == "done" or node not in graph:
        return
    assert node not in trail, " -> ".join([*trail, node])
    for child in graph[node]:
        visit(child, [*trail, node])
    state[node] = "done"
for node in graph:
    visit(node, [])
EOF
}
