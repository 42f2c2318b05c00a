# shellcheck shell=bash
# Hosts: made, waited for, replaced and removed.

HOST_CAPABILITIES='SYS_ADMIN NET_ADMIN SYS_PTRACE NET_RAW DAC_READ_SEARCH SYS_TIME SYS_CHROOT SYS_NICE IPC_LOCK SYSLOG
    AUDIT_CONTROL LEASE SYS_TTY_CONFIG SYS_RAWIO'
BOOT_SECONDS=90

lab_up() {
    local count=${1:-2} number host made=()
    [[ $count =~ ^[1-9][0-9]?$ ]] || die "how many hosts? 'lab/lab up 2'"
    engine_ensure
    image_ensure
    state_client_keys
    network_ensure
    for ((number = 1; number <= count; number++)); do
        host=lab$number
        if host_exists "$host"; then
            host_check_owner "$host"
            host_start "$host"
        else
            host_create "$host"
            made+=("$host")
        fi
    done
    state_write
    for ((number = 1; number <= count; number++)); do
        host_wait "lab$number"
    done
    say "hosts up: $count${made[*]:+ (new: ${made[*]})}; inventory: $LAB_STATE/inventory.yaml"
}

lab_down() {
    local host names
    engine_answers || die "no Docker engine answers, so no lab runs"
    names=$*
    for host in ${names:-$(host_names)}; do
        host_remove "$host"
        say "$host removed"
    done
    if [ -z "$(host_names)" ]; then
        docker network rm "$LAB_NAME" >/dev/null 2>&1 || true
    fi
    state_write
}

lab_reset() {
    local host new_key='' names=()
    for host in "$@"; do
        case $host in
            --new-key) new_key=yes ;;
            *) host_number "$host" >/dev/null; names+=("$host") ;;
        esac
    done
    [ ${#names[@]} -gt 0 ] || die "which host? 'lab/lab reset lab1'"
    engine_ensure
    image_ensure
    state_client_keys
    network_ensure
    for host in "${names[@]}"; do
        host_remove "$host"
        [ -z "$new_key" ] || state_forget_host_keys "$host"
        host_create "$host"
    done
    state_write
    for host in "${names[@]}"; do
        host_wait "$host"
    done
}

lab_ssh() {
    [ $# -gt 0 ] || die "which host? 'lab/lab ssh lab1'"
    local host=$1
    shift
    host_number "$host" >/dev/null
    exec ssh -F "$LAB_STATE/ssh_config" "$host" "$@"
}

lab_status() {
    engine_answers || die "no Docker engine answers; 'lab/lab up' starts one"
    local host state
    for host in $(host_names); do
        state=$(docker inspect -f '{{.State.Status}}' "$(host_container "$host")")
        [ "$state" != running ] || state=$(docker exec "$(host_container "$host")" systemctl is-system-running 2>/dev/null || true)
        printf '%-6s %-14s %-14s %s\n' "$host" "$(host_address "$host")" "$(host_private_address "$host")" "$state"
    done
}

network_ensure() {
    if docker network inspect "$LAB_NAME" >/dev/null 2>&1; then
        return
    fi
    # Docker would take addresses over that the machine itself lives in, and cut it off.
    if ip -4 -oneline address show | grep -qF " $LAB_SUBNET."; then
        die "this machine already has an address in $LAB_SUBNET.0/24; choose another network with LAB_SUBNET"
    fi
    docker network create --label "deployer-lab.name=$LAB_NAME" --subnet "$LAB_SUBNET.0/24" "$LAB_NAME" >/dev/null
}

host_exists() { docker container inspect "$(host_container "$1")" >/dev/null 2>&1; }

host_check_owner() {
    local owner
    owner=$(docker inspect -f '{{index .Config.Labels "deployer-lab.owner"}}' "$(host_container "$1")")
    [ "$owner" = "$(state_owner)" ] ||
        die "$1 runs with the keys of another state folder: set LAB_STATE to that one, or remove the hosts with 'lab/lab down'"
}

# Prints the port where a host's PORT can be published: another one where the machine itself listens on all its addresses.
port_free() {
    if [ -n "$(ss -Hltn "sport = :$1" | awk '$4 ~ /^(0\.0\.0\.0|\*):/')" ]; then
        say "port $1 of every address is taken on this machine; publishing it as $(($1 + 20000))"
        printf '%d' $(($1 + 20000))
    else
        printf '%d' "$1"
    fi
}

# The machine's real name servers; a loopback one exists only on the machine itself.
host_nameservers() { awk '$1 == "nameserver" && $2 !~ /^(127\.|::1)/ { printf "%s ", $2 }' /etc/resolv.conf; }

host_create() {
    local host=$1 container address port capability options=()
    container=$(host_container "$host")
    address=$(host_address "$host")
    for capability in $HOST_CAPABILITIES; do
        options+=(--cap-add "$capability")
    done
    for port in $LAB_PORTS; do
        options+=(--publish "$address:$(port_free "$port"):$port")
    done
    state_host_keys "$host"
    # Not --privileged: machines that themselves lack CAP_SYS_RESOURCE refuse it.
    docker create --name "$container" --hostname "$host" --network "$LAB_NAME" --ip "$(host_private_address "$host")" \
        --label "deployer-lab.name=$LAB_NAME" --label "deployer-lab.host=$host" --label "deployer-lab.owner=$(state_owner)" \
        --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined \
        --device-cgroup-rule 'a *:* rwm' --cgroupns private --stop-signal SIGRTMIN+3 --restart on-failure \
        --tmpfs /run:exec --tmpfs /srv/small:exec,size=16m,mode=0755 --volume /var/lib/docker \
        --env "LAB_NAMESERVERS=$(host_nameservers)" "${options[@]}" "$LAB_IMAGE" >/dev/null
    # As root's files, whoever runs this: sshd ignores keys that others could have written.
    tar -C "$LAB_STATE/hosts/$host" --owner=0 --group=0 --numeric-owner --mode=u=rw,go= -c . |
        docker cp - "$container:/etc/ssh/"
    tar -C "$LAB_STATE" --owner=0 --group=0 --numeric-owner --mode=u=rw,go=r --transform 's/^/lab_/' -c authorized_keys |
        docker cp - "$container:/etc/ssh/"
    docker start "$container" >/dev/null
}

host_start() {
    local container
    container=$(host_container "$1")
    [ "$(docker inspect -f '{{.Image}}' "$container")" = "$(docker image inspect -f '{{.Id}}' "$LAB_IMAGE")" ] ||
        say "$1 was made from an older image; 'lab/lab reset $1' renews it"
    docker unpause "$container" >/dev/null 2>&1 || true
    docker start "$container" >/dev/null
}

host_remove() {
    docker rm --force --volumes "$(host_container "$1")" >/dev/null 2>&1 || true
}

host_wait() {
    local host=$1 container state='' answer='' deadline=$((SECONDS + BOOT_SECONDS))
    container=$(host_container "$host")
    while [ $SECONDS -lt $deadline ]; do
        state=$(docker exec "$container" systemctl is-system-running 2>&1 || true)
        case $state in
            running | degraded)
                if answer=$(ssh -F "$LAB_STATE/ssh_config" -o BatchMode=yes "$host" true 2>&1 </dev/null); then
                    return
                fi
                ;;
        esac
        sleep 0.2
    done
    docker logs --tail 20 "$container" >&2 || true
    die "$host did not come up in $BOOT_SECONDS s (systemd: $state; ssh: ${answer:-not tried})"
}
