#!/usr/bin/env bash
# What Scalegrease promises of shared storage, on real NFS: a server, hosts that mount from it, and what goes wrong.
#
# usage: guest.sh WORK [SCENARIO...], in the guest of boot.sh
# Prints a table; the exit code is the number of scenarios that failed.
# shellcheck disable=SC2016,SC2329 # Scripts of jobs are for their own shell; scenarios are called by their names.
set -uo pipefail

work=$1
shift
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
# shellcheck source=tests/nfs/machines.sh
source "$(dirname "$0")/machines.sh"

# What a job may take longer than itself: greaserun's own work on an emulated processor, and its wait for the log.
readonly SLACK_MS=15000

# Output at a leisurely pace, and much of it at once.
readonly TALK='for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.5; done'
readonly MUCH='head -c 2000000 /dev/urandom | base64'

arrive() { # Runs of two hosts and two users arrive as they are in the spool.
    local host
    for host in dp-001 dp-002; do
        start "$host" etl talk "$TALK"
        start "$host" etl much "$MUCH"
        start "$host" root talk-root "$TALK"
    done
    for host in dp-001 dp-002; do
        finish "$host" etl talk 60000 && finish "$host" etl much 60000 && finish "$host" root talk-root 60000 || return 1
        arrives "$host" etl 30 && arrives "$host" root 30 || return 1
    done
    note="slowest run ${slowest} ms"
}

live() { # What runs on one host is read on the other, line by line, and its end.
    local line told now lag=0 lines=0 end=0 ended
    start dp-001 etl live 'for i in $(seq 16); do echo told $(date +%s%3N); sleep 0.5; done; echo over $(date +%s%3N)'
    holds 20 'dp-002 knows the run' quietly status dp-002 etl log live --path || return 1
    status dp-002 etl log live -f 2>&1 | stamp > /run/followed
    finish dp-001 etl live 60000 || return 1
    while read -r now line; do
        told=${line##* }
        case $line in
            *' told '*) lines=$((lines + 1)) lag=$((now - told > lag && lines > 1 ? now - told : lag)) ;;
            *' over '*) ended=$told ;;
            *ended*) end=$((now - ended)) ;;
        esac
    done < /run/followed
    note="$lines of 16 lines, at most $lag ms late; the end $end ms late"
    ((lines == 16 && lag < 8000 && end > 0 && end < 8000)) || { cat /run/followed >&2; return 1; }
}

quietly() { "$@" > /dev/null 2>&1; }

stamp() {
    local line
    while IFS= read -r line; do echo "$(now_ms) $line"; done
}

hang() { # The server does not answer: jobs do not notice, and all arrives when it does.
    local before job code begun took load
    slowest=0
    start dp-001 etl hang "$TALK"
    start dp-001 root hang-root "$TALK"
    start dp-002 etl hang "$TALK"
    sleep 3
    hang_server
    finish dp-001 etl hang $((4000 + SLACK_MS)) && finish dp-001 root hang-root $((4000 + SLACK_MS)) &&
        finish dp-002 etl hang $((4000 + SLACK_MS)) || return 1
    before=$slowest slowest=0
    for job in 1 2 3; do
        start dp-001 etl "later-$job" 'echo later'
        finish dp-001 etl "later-$job" "$SLACK_MS" || return 1
    done
    begun=$(now_ms)
    status dp-001 etl runs > /run/answer 2>&1
    code=$? took=$(($(now_ms) - begun))
    if ((code != 75 || took > 5000 + SLACK_MS)) || ! grep -q later-3 /run/answer; then
        say "greasestatus: exit code $code after $took ms"
        cat /run/answer >&2
        return 1
    fi
    stuck dp-001 > /run/stuck
    if [[ $(awk '{ print $1 }' /run/stuck | sort | uniq -d) ]]; then
        say 'more than one stuck process of a user:'
        cat /run/stuck >&2
        return 1
    fi
    [[ $(grep -c __ship /run/stuck) == 2 ]] || { say 'no shipper is stuck:'; cat /run/stuck >&2; return 1; }
    # Both count as load, and the guard counts neither.
    holds 150 'the load is above what the guard allows' load_is_above 1.3 || return 1
    load=$(cut -d' ' -f1 /proc/loadavg)
    on dp-001 etl greasestatus -c /run/hosts/dp-001.strict guard --explain --cost 0.1 > /run/guard 2>&1
    code=$?
    note="jobs of 4 s took $before ms, of 0 s $slowest ms; greasestatus answers after $took ms; load $load is no obstacle"
    if ((code != 0)); then
        say "the guard refuses at a load of $load"
        cat /run/guard /run/stuck >&2
        return 1
    fi
    resume_server
    arrives dp-001 etl 120 && arrives dp-001 root 120 && arrives dp-002 etl 120
}

load_is_above() { awk -v limit="$1" '{ exit !($1 > limit) }' /proc/loadavg; }

restart() { # The server is started anew during runs.
    start dp-001 etl restart "$TALK"
    start dp-002 etl restart "$TALK"
    sleep 2
    rpc.nfsd 0
    sleep 3
    rpc.nfsd 8
    finish dp-001 etl restart $((4000 + SLACK_MS)) && finish dp-002 etl restart $((4000 + SLACK_MS)) || return 1
    arrives dp-001 etl 90 && arrives dp-002 etl 90
}

stale() { # The directories that are written to go away under the writers' hands.
    start dp-001 etl stale "$TALK"
    start dp-002 etl stale "$TALK"
    holds 20 'both logs have begun' both_logs_of stale || return 1
    rm -rf "$EXPORT"/etl/*/logs/stale "$EXPORT"/etl/*/index
    finish dp-001 etl stale $((4000 + SLACK_MS)) && finish dp-002 etl stale $((4000 + SLACK_MS)) || return 1
    arrives dp-001 etl 90 && arrives dp-002 etl 90
}

both_logs_of() {
    local logs=("$EXPORT"/etl/*/logs/"$1"/*)
    ((${#logs[@]} == 2))
}

full() { # The export is full, and then is not.
    cat /dev/zero > "$EXPORT/fill" 2> /dev/null
    start dp-001 etl full "$MUCH"
    start dp-002 etl full "$MUCH"
    finish dp-001 etl full 60000 && finish dp-002 etl full 60000 || return 1
    holds 20 'the shippers say that it is full' tells_both 'No space left' || return 1
    rm "$EXPORT/fill"
    local begun=$SECONDS
    arrives dp-001 etl 120 && arrives dp-002 etl 120 || return 1
    note="all there $((SECONDS - begun)) s after there was room"
}

tells_both() { tells dp-001 etl "$1" && tells dp-002 etl "$1"; }

# tells HOST USER TEXT: the shipper's state has this text.
tells() { grep -q "$3" "$(spool "$1" "$2")/ship/state"; }

twins() { # A third host calls itself dp-001 too.
    start_host twin 3 dp-001 || return 1
    start dp-001 etl twins "$TALK"
    start twin etl twins "$TALK"
    finish dp-001 etl twins $((4000 + SLACK_MS)) && finish twin etl twins $((4000 + SLACK_MS)) || return 1
    arrives dp-001 etl 30 && arrives twin etl 30
}

unmounted() { # The share is not mounted, and then is.
    on dp-002 root umount -l "$LOGS"
    start dp-002 etl unmounted "$TALK"
    finish dp-002 etl unmounted $((4000 + SLACK_MS)) || return 1
    if [[ $(on dp-002 root ls -A "$LOGS") ]]; then
        say 'something was written below the mount point'
        return 1
    fi
    mount_logs dp-002
    local begun=$SECONDS
    arrives dp-002 etl 60 || return 1
    note="all there $((SECONDS - begun)) s after the mount"
}

squash() { # root is nobody on the server, and may not write into its own directory.
    exports root_squash
    start dp-002 root squash-root "$TALK"
    start dp-002 etl squash "$TALK"
    finish dp-002 root squash-root $((4000 + SLACK_MS)) && finish dp-002 etl squash $((4000 + SLACK_MS)) || return 1
    arrives dp-002 etl 30 || return 1
    holds 20 'the shipper says that it may not' tells dp-002 root 'denied' || return 1
    exports no_root_squash
    local begun=$SECONDS
    arrives dp-002 root 400 || return 1
    note="all there $((SECONDS - begun)) s after it may"
}

# ---- all of them

prepare() {
    grep -q '^etl:' /etc/passwd || echo 'etl:x:1001:1001::/:/bin/sh' >> /etc/passwd
    start_server && start_host dp-001 1 dp-001 && start_host dp-002 2 dp-002 &&
        holds 60 'the server is past its grace period' init_share
}

init_share() { status dp-001 root share init "$LOGS" > /run/init 2>&1; }

# scenario NAME: a row of the table; what went wrong is told above it.
scenario() {
    local begun=$SECONDS verdict=holds
    note=
    "$1" || verdict=FAILS failed=$((failed + 1))
    # Whatever failed, the next scenario begins with a server that is well.
    resume_server
    rm -f "$EXPORT/fill"
    on dp-002 root mountpoint -q "$LOGS" || mount_logs dp-002
    printf '%-10s %-6s %4d s  %s\n' "$1" "$verdict" "$((SECONDS - begun))" "$note"
}

failed=0 note=''
scenario prepare
((failed == 0)) || { cat /run/init; exit 1; }
(($#)) || set -- arrive live hang restart stale full twins unmounted squash
for name in "$@"; do scenario "$name"; done
exit "$failed"
