# shellcheck shell=bash
# Faults on purpose: a full disk, a slow line, a host that hangs.

fault_host() {
    [ $# -gt 0 ] || die "which host? 'lab/lab help' shows how"
    host_exists "$1" || die "$1 does not run; 'lab/lab status' tells what does"
    host_container "$1"
}

fault_fill() {
    local container
    container=$(fault_host "$@")
    # dd ends with an error when nothing is left, which is what is wanted.
    docker exec "$container" sh -c 'dd if=/dev/zero of=/srv/small/.lab-fill bs=4k 2>/dev/null; test "$(stat -f -c %a /srv/small)" = 0' ||
        die "/srv/small on $1 still has room"
}

fault_unfill() {
    local container
    container=$(fault_host "$@")
    docker exec "$container" rm -f /srv/small/.lab-fill
}

fault_freeze() {
    local container
    container=$(fault_host "$@")
    docker pause "$container" >/dev/null
}

fault_thaw() {
    local container
    container=$(fault_host "$@")
    docker unpause "$container" >/dev/null
}

fault_latency() {
    local container
    container=$(fault_host "$@")
    [[ ${2:-} =~ ^[0-9]+$ ]] || die "how many milliseconds? 'lab/lab latency lab1 50'"
    if [ "$2" = 0 ]; then
        docker exec "$container" tc qdisc del dev eth0 root 2>/dev/null || true
    else
        docker exec "$container" tc qdisc replace dev eth0 root netem delay "$2ms" ||
            die "this machine's kernel has no netem (CONFIG_NET_SCH_NETEM), so there is no way to slow $1 down"
    fi
}

# The cable is pulled, at the switch's end: the host sees no carrier, and nobody reaches it, the machine included.
fault_cut() { fault_cable "$1" down; }
fault_join() { fault_cable "$1" up; }

fault_cable() {
    local container index cable
    container=$(fault_host "$1")
    index=$(docker exec "$container" cat /sys/class/net/eth0/iflink)
    cable=$(ip -oneline link show | sed -n "s/^$index: \([^@:]*\).*/\1/p")
    [ -n "$cable" ] || die "$1's cable was not found; is its Docker engine elsewhere?"
    ip link set "$cable" "$2"
}

# As if its power failed; `lab/lab up` starts it again.
fault_kill() {
    local container
    container=$(fault_host "$@")
    docker kill "$container" >/dev/null
}
