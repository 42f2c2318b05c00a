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

# As if its cable were pulled: the other hosts are gone for it, and it for them. The machine itself still reaches it.
fault_cut() {
    local container rule
    container=$(fault_host "$@")
    fault_join "$@"
    fault_iptables "$container" -N LAB-CUT
    for rule in "-i lo" "-o lo" "-s $LAB_SUBNET.1" "-d $LAB_SUBNET.1"; do
        # shellcheck disable=SC2086
        fault_iptables "$container" -A LAB-CUT $rule -j ACCEPT
    done
    for rule in "-s $LAB_SUBNET.0/24" "-d $LAB_SUBNET.0/24"; do
        # shellcheck disable=SC2086
        fault_iptables "$container" -A LAB-CUT $rule -j DROP
    done
    for rule in INPUT OUTPUT FORWARD; do
        fault_iptables "$container" -I "$rule" -j LAB-CUT
    done
}

fault_join() {
    local container rule
    container=$(fault_host "$@")
    for rule in INPUT OUTPUT FORWARD; do
        while fault_iptables "$container" -D "$rule" -j LAB-CUT 2>/dev/null; do :; done
    done
    fault_iptables "$container" -F LAB-CUT 2>/dev/null || return 0
    fault_iptables "$container" -X LAB-CUT
}

# The machine's iptables in the host's network: the host has none of its own.
fault_iptables() {
    local container=$1
    shift
    nsenter --net --target "$(docker inspect -f '{{.State.Pid}}' "$container")" iptables -w "$@"
}

# As if its power failed; `lab/lab up` starts it again.
fault_kill() {
    local container
    container=$(fault_host "$@")
    docker kill "$container" >/dev/null
}
