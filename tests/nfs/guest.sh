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

# After so long without a change a host asks for a directory less often.
readonly REMEMBERED_SECONDS=30

# Output at a leisurely pace, and much of it at once.
readonly TALK='for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.5; done'
readonly MUCH='head -c 2000000 /dev/urandom | base64'

arrive() { # Runs of two hosts and two users arrive as they are in the spool.
    local host
    for host in dp-001 dp-002; do
        start "$host" "$user" talk "$TALK"
        start "$host" "$user" much "$MUCH"
        start "$host" root talk-root "$TALK"
    done
    for host in dp-001 dp-002; do
        finish "$host" "$user" talk 60000 && finish "$host" "$user" much 60000 && finish "$host" root talk-root 60000 || return 1
        arrives "$host" "$user" 30 && arrives "$host" root 30 || return 1
    done
    note="slowest run ${slowest} ms"
}

live() { # What runs on one host is read on the other, line by line, and its end.
    local line told now lag=0 lines=0 end=0 ended
    start dp-001 "$user" live 'for i in $(seq 16); do echo told $(date +%s%3N); sleep 0.5; done; echo over $(date +%s%3N)'
    holds 20 'dp-002 knows the run' quietly status dp-002 "$user" log live --path || return 1
    status dp-002 "$user" log live -f 2>&1 | stamp > /run/followed
    finish dp-001 "$user" live 60000 || return 1
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
    local before job code begun took load others
    slowest=0
    start dp-001 "$user" hang "$TALK"
    start dp-001 root hang-root "$TALK"
    start dp-002 "$user" hang "$TALK"
    sleep 3
    hang_server
    finish dp-001 "$user" hang $((4000 + SLACK_MS)) && finish dp-001 root hang-root $((4000 + SLACK_MS)) &&
        finish dp-002 "$user" hang $((4000 + SLACK_MS)) || return 1
    before=$slowest slowest=0
    for job in 1 2 3; do
        start dp-001 "$user" "later-$job" 'echo later'
        finish dp-001 "$user" "later-$job" "$SLACK_MS" || return 1
    done
    begun=$(now_ms)
    status dp-001 "$user" runs > /run/answer 2>&1
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
    # Both count as load, and the guard counts neither: it allows no more load than they and the rest make.
    others=$(($(stuck_tasks | wc -l) - 2))
    configure dp-001 "$(awk -v others="$others" 'BEGIN { print (others + 1) / 2 }')" strict
    holds 150 'a load that the guard takes for less' guard_corrects "$others" || { cat /run/guard /run/stuck >&2; return 1; }
    load=$(cut -d' ' -f1 /proc/loadavg)
    note="jobs of 4 s took $before ms, of 0 s $slowest ms; greasestatus answers after $took ms; two of a load of $load are not counted"
    resume_server
    arrives dp-001 "$user" 120 && arrives dp-001 root 120 && arrives dp-002 "$user" 120
}

# stuck_tasks: those of all hosts, and of the kernel, that wait for good; they are what its load is made of here.
stuck_tasks() {
    comm -12 <(tasks_in_wait) <(sleep 2; tasks_in_wait)
}

tasks_in_wait() { ps -eLo lwp=,stat= | awk '$2 ~ /^D/ { print $1 }' | sort; }

# guard_corrects OTHERS: a job is allowed on dp-001 at a load of at most OTHERS and one, though it is higher. It is
# asked seldom, since asking is load too.
guard_corrects() {
    sleep 3
    on dp-001 "$user" greasestatus -c /run/hosts/dp-001.strict guard --explain --cost 0.1 > /run/guard 2>&1 &&
        awk -v limit="$(($1 + 1))" '{ exit !($1 > limit + 0.1) }' /proc/loadavg
}

restart() { # The server is started anew during runs.
    start dp-001 "$user" restart "$TALK"
    start dp-002 "$user" restart "$TALK"
    sleep 2
    rpc.nfsd 0
    sleep 3
    rpc.nfsd 8
    finish dp-001 "$user" restart $((4000 + SLACK_MS)) && finish dp-002 "$user" restart $((4000 + SLACK_MS)) || return 1
    arrives dp-001 "$user" 90 && arrives dp-002 "$user" 90
}

stale() { # The directories that are written to go away under the writers' hands.
    run_on_both before || return 1
    sleep "$REMEMBERED_SECONDS"
    start dp-001 "$user" stale "$TALK"
    start dp-002 "$user" stale "$TALK"
    holds 20 'both logs have begun' both_logs_of stale || return 1
    rm -rf "$EXPORT/$user"/*/logs/stale "$EXPORT/$user"/*/index
    finish dp-001 "$user" stale $((4000 + SLACK_MS)) && finish dp-002 "$user" stale $((4000 + SLACK_MS)) || return 1
    arrives dp-001 "$user" 90 && arrives dp-002 "$user" 90
}

both_logs_of() {
    local logs=("$EXPORT/$user"/*/logs/"$1"/*)
    ((${#logs[@]} == 2))
}

# run_on_both JOB: what a user has there already when something goes wrong.
run_on_both() {
    run dp-001 "$user" "$1" true && run dp-002 "$user" "$1" true &&
        arrives dp-001 "$user" 30 && arrives dp-002 "$user" 30
}

full() { # The export is full, and then is not.
    run_on_both before || return 1
    cat /dev/zero > "$EXPORT/fill" 2> /dev/null
    start dp-001 "$user" full "$MUCH"
    start dp-002 "$user" full "$MUCH"
    finish dp-001 "$user" full 60000 && finish dp-002 "$user" full 60000 || return 1
    holds 20 'the shippers say that it is full' tells_both 'No space left' || return 1
    rm "$EXPORT/fill"
    local begun=$SECONDS
    arrives dp-001 "$user" 120 && arrives dp-002 "$user" 120 || return 1
    note="all there $((SECONDS - begun)) s after there was room"
}

tells_both() { tells dp-001 "$user" "$1" && tells dp-002 "$user" "$1"; }

# tells HOST USER TEXT: the shipper's state has this text.
tells() { grep -q "$3" "$(spool "$1" "$2")/ship/state"; }

twins() { # A third host calls itself dp-001 too.
    start_host twin 3 dp-001 || return 1
    start dp-001 "$user" twins "$TALK"
    start twin "$user" twins "$TALK"
    finish dp-001 "$user" twins $((4000 + SLACK_MS)) && finish twin "$user" twins $((4000 + SLACK_MS)) || return 1
    arrives dp-001 "$user" 30 && arrives twin "$user" 30
}

unmounted() { # The share is not mounted, and then is.
    run_on_both before || return 1
    on dp-002 root umount -l "$LOGS"
    start dp-002 "$user" unmounted "$TALK"
    finish dp-002 "$user" unmounted $((4000 + SLACK_MS)) || return 1
    if [[ $(on dp-002 root ls -A "$LOGS") ]]; then
        say 'something was written below the mount point'
        return 1
    fi
    mount_logs dp-002
    local begun=$SECONDS
    arrives dp-002 "$user" 60 || return 1
    note="all there $((SECONDS - begun)) s after the mount"
}

squash() { # root is nobody on the server, and may not write into its own directory.
    run_on_both before || return 1
    exports root_squash
    start dp-002 root squash-root "$TALK"
    start dp-002 "$user" squash "$TALK"
    finish dp-002 root squash-root $((4000 + SLACK_MS)) && finish dp-002 "$user" squash $((4000 + SLACK_MS)) || return 1
    arrives dp-002 "$user" 30 || return 1
    holds 20 'the shipper says that it may not' tells dp-002 root 'denied' || return 1
    exports no_root_squash
    local begun=$SECONDS
    arrives dp-002 root 400 || return 1
    note="all there $((SECONDS - begun)) s after it may"
}

# ---- all of them

prepare() {
    start_server && start_host dp-001 1 dp-001 && start_host dp-002 2 dp-002 &&
        holds 60 'the server is past its grace period' init_share
}

init_share() { status dp-001 root share init "$LOGS" > /run/init 2>&1; }

# scenario NAME: a row of the table; what went wrong is told above it. Each has its own user, with a spool and a
# shipper on each host and a tree on the share: none sees what another one left.
scenario() {
    local begun verdict=holds
    note=
    user=etl-$1
    users=$((users + 1))
    echo "$user:x:$((20000 + users)):$((20000 + users))::/:/bin/sh" >> /etc/passwd
    end_shippers
    touch "$BEGUN"
    begun=$SECONDS
    "$1" || verdict=FAILS failed=$((failed + 1))
    # Whatever failed, the next scenario begins with a server and mounts that are well.
    resume_server
    exports no_root_squash
    rm -f "$EXPORT/fill"
    [[ $1 == prepare ]] || on dp-002 root mountpoint -q "$LOGS" || mount_logs dp-002
    printf '%-10s %-6s %4d s  %s\n' "$1" "$verdict" "$((SECONDS - begun))" "$note"
}

# Waits until no shipper is left, which they are for a few seconds; one that has failed is ended.
end_shippers() {
    holds 30 'the shippers have ended' no_shipper 2> /dev/null || pkill -9 -f __ship
}

no_shipper() { ! pgrep -f __ship > /dev/null; }

failed=0 users=0 note='' user=''
scenario prepare
((failed == 0)) || { cat /run/init; exit 1; }
(($#)) || set -- arrive live hang restart stale full twins unmounted squash
for name in "$@"; do scenario "$name"; done
exit "$failed"
