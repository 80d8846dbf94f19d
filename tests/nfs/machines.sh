# shellcheck shell=bash disable=SC2154 # `work` is set by guest.sh.
# One NFS server and its hosts, as namespaces of one kernel, for guest.sh: network, mounts, processes and names are a
# host's own, and so are its NFS client and cache, its boot and its machine id.

readonly EXPORT=/srv/logs # The disk of the server.
readonly LOGS=/logs       # Where every host has it.
readonly BEGUN=/run/begun # Written when the scenario began.
readonly OPTIONS=rw,no_subtree_check,sync,fsid=0
readonly LEASE=/proc/fs/nfsd/nfsv4leasetime GRACE=/proc/fs/nfsd/nfsv4gracetime
declare -A init # The first process of each host.

say() { printf '%s\n' "$*" >&2; }

now_ms() { date +%s%3N; }

# holds SECONDS WHAT COMMAND...: waits until the command succeeds.
holds() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        if ((SECONDS >= deadline)); then
            say "not within the time: $what"
            return 1
        fi
        sleep 0.3
    done
}

# ---- the server

start_server() {
    local module
    for module in nfsd nfsv3 nfsv4 loop ext4 crc32c_generic veth bridge; do
        modprobe -d "$work/kernel" "$module" || return 1
    done
    ip link add bridge type bridge
    ip addr add 10.0.0.1/24 dev bridge
    ip link set bridge up
    mkdir -p "$EXPORT" "$LOGS" /run/rpcbind /run/hosts /run/jobs
    truncate -s 64M /run/disk
    mkfs.ext4 -q -F -m 0 /run/disk
    mount -o loop /run/disk "$EXPORT"
    chmod 1777 "$EXPORT"
    rpcbind -w
    mount -t nfsd nfsd /proc/fs/nfsd
    echo 10 > "$LEASE"
    echo 10 > "$GRACE"
    exports no_root_squash
    rpc.mountd
    rpc.nfsd 8
}

# exports SQUASH
exports() {
    exportfs -o "$OPTIONS,$1" "10.0.0.0/24:$EXPORT"
}

# Nobody hears the server any more: what was asked hangs.
hang_server() { ip link set bridge down; }

resume_server() { ip link set bridge up; }

# ---- the hosts

# start_host HOST NUMBER NAME: HOST is what it is called here, NAME what it calls itself.
start_host() {
    local host=$1 number=$2 name=$3
    ip netns add "$host"
    ip link add "to-$number" type veth peer name eth0 netns "$host"
    ip link set "to-$number" master bridge up
    ip -n "$host" addr add "10.0.0.1$number/24" dev eth0
    ip -n "$host" link set eth0 up
    ip -n "$host" link set lo up
    cat /proc/sys/kernel/random/uuid > "/run/hosts/$host.boot"
    tr -d - < /proc/sys/kernel/random/uuid > "/run/hosts/$host.machine"
    # shellcheck disable=SC2016 # It is the inner shell's.
    ip netns exec "$host" unshare --uts --pid --fork --mount-proc bash -c '
        hostname "$2"
        mount --bind "/run/hosts/$1.boot" /proc/sys/kernel/random/boot_id
        mount --bind "/run/hosts/$1.machine" /etc/machine-id
            exec sleep infinity' - "$host" "$name" &
    holds 10 "$host is up" host_is_up "$host" $! || return 1
    configure "$host" 1000 config
    mount_logs "$host"
    # Made by root, the state of a host is there for all its users.
    mkdir -p "/var/lib/$host"
    run "$host" root first true
}

host_is_up() {
    init[$1]=$(pgrep -P "$2" -x sleep)
}

# configure HOST LOAD NAME: a config under which nothing but a load of LOAD on each CPU keeps a job from starting.
configure() {
    local host=$1 load=$2 file=/run/hosts/$1.$3
    cat > "$file" << CONFIG
{"common": {"state_dir": "/var/lib/$host", "file_logger": "$LOGS"},
 "guard": {"jitter": {"mode": "none"}, "start_spacing": 0, "max_jobs": 1000, "cost_capacity": 1000,
    "load1_per_core": {"low": $load, "normal": $load, "high": $load},
    "pressure": {"memory_full_avg10": null, "io_full_avg60": 100},
    "memory": {"min_available": 0, "floor": 0}, "pids_headroom": 0,
    "disk": {"scratch": {"min_free": 0, "min_free_pct": 0, "min_inodes_pct": 0},
             "cache": {"min_free": 0, "min_free_pct": 0, "min_inodes_pct": 0},
             "spool": {"min_free": 0, "min_free_pct": 0, "min_inodes_pct": 0}}}}
CONFIG
}

# mount_logs HOST: dp-001 speaks NFS 4.2, the others NFS 3.
mount_logs() {
    local options=vers=3,nolock source=$EXPORT
    if [[ $1 == dp-001 ]]; then
        options=vers=4.2 source=/
    fi
    on "$1" root mount -t nfs -o "$options,timeo=50" "10.0.0.1:$source" "$LOGS"
}

# on HOST USER COMMAND...
on() {
    local host=$1 user=$2 uid
    shift 2
    uid=$(id -u "$user")
    nsenter -t "${init[$host]}" --net --uts --mount --pid --root --wd=/ \
        setpriv --reuid "$uid" --regid "$uid" --clear-groups \
        env -i PATH="$work/bin:$PATH" HOME=/ LANG=C.UTF-8 "$@"
}

# status HOST USER ARGUMENTS...: greasestatus there.
status() {
    on "$1" "$2" greasestatus -c "/run/hosts/$1.config" "${@:3}"
}

spool() { echo "/var/lib/$1/spool/$(id -u "$2")"; }

# stuck HOST: the user, state and command of all its processes that wait in the kernel and cannot be killed.
stuck() {
    on "$1" root ps -eo uid=,stat=,args= | awk '$2 ~ /^D/'
}

# ---- jobs

# start HOST USER JOB SCRIPT
start() {
    local host=$1 user=$2 job=$3 script=$4 left=/run/jobs/$1.$2.$3
    (
        begun=$(now_ms)
        on "$host" "$user" greaserun -c "/run/hosts/$host.config" -r shell --job "$job" - -- sh -c "$script" \
            > "$left.out" 2>&1
        echo "$? $(($(now_ms) - begun))" > "$left"
    ) &
    jobs_at["$1.$2.$3"]=$!
}

# finish HOST USER JOB MS: waits for a job, which must have succeeded within so many milliseconds.
finish() {
    local key=$1.$2.$3 code took
    wait "${jobs_at[$key]}"
    read -r code took < "/run/jobs/$key"
    if ((code != 0 || took > $4)); then
        say "$key: exit code $code after $took ms; it said:"
        cat "/run/jobs/$key.out" >&2
        return 1
    fi
    slowest=$((took > slowest ? took : slowest))
}
declare -A jobs_at
slowest=0

run() {
    start "$1" "$2" "$3" "$4"
    finish "$1" "$2" "$3" 60000
}

# arrives HOST USER SECONDS: all runs that the user had there in this scenario, and the index of them, are on the
# server's disk, byte for byte.
arrives() {
    local spool run log day
    spool=$(spool "$1" "$2")
    holds "$3" "all of $2 on $1 is shipped" is_shipped "$spool" || { cat "$spool/ship/state" >&2; return 1; }
    for run in $(runs_of "$spool"); do
        log=$(sed -n 's/.*"log":"\([^"]*\)".*/\1/p' "$run/sealed")
        cmp "$run/log" "$EXPORT/$2/$log" || return 1
    done
    for log in "$spool"/index/*.jsonl; do
        day=$(basename "$log" .jsonl)
        cmp "$log" "$EXPORT/$2/$day/index/$(< "$spool/ship/host").jsonl" || return 1
    done
}

# runs_of SPOOL: the runs that have ended since the scenario began.
runs_of() {
    find "$1/sealed" -mindepth 1 -maxdepth 1 -newer "$BEGUN"
}

is_shipped() {
    local run runs
    runs=$(runs_of "$1")
    [[ $runs ]] || return 1
    for run in $runs; do
        [[ -e $run/shipped ]] || return 1
    done
}
