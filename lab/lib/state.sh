# shellcheck shell=bash
# The state folder: keys, known_hosts, SSH configuration and inventory, all made here and usable by any SSH client.

# lab1 is …11, so that a host's number can be read off its address.
host_number() {
    case $1 in
        lab[1-9] | lab[1-9][0-9]) printf '%s' "${1#lab}" ;;
        *) die "hosts are called lab1, lab2, …; '$1' is none" ;;
    esac
}
host_address() { printf '%s.%d' "$LAB_ADDR" "$((10 + $(host_number "$1")))"; }
host_private_address() { printf '%s.%d' "$LAB_SUBNET" "$((10 + $(host_number "$1")))"; }
host_ssh_port() {
    docker inspect -f '{{(index (index .HostConfig.PortBindings "22/tcp") 0).HostPort}}' "$(host_container "$1")"
}
host_container() { printf '%s-%s' "$LAB_NAME" "$(host_number "$1")"; }
host_names() { docker ps -a --filter "label=deployer-lab.name=$LAB_NAME" --format '{{.Label "deployer-lab.host"}}' | sort -V; }

state_client_keys() {
    (
        umask 077
        local type
        for type in ed25519 ecdsa rsa; do
            [ -f "$LAB_STATE/id_$type" ] || ssh-keygen -q -t "$type" -N '' -C "deployer-lab $type" -f "$LAB_STATE/id_$type"
        done
        [ -f "$LAB_STATE/id_encrypted" ] ||
            ssh-keygen -q -t ed25519 -N lab-key -C 'deployer-lab encrypted' -f "$LAB_STATE/id_encrypted"
    )
    cat "$LAB_STATE"/id_*.pub >"$LAB_STATE/authorized_keys"
}

# Who the lab belongs to: hosts made for other keys are of no use here.
state_owner() { ssh-keygen -l -f "$LAB_STATE/id_ed25519.pub" | cut -d ' ' -f 2; }

state_host_keys() {
    local folder=$LAB_STATE/hosts/$1 type
    mkdir -p "$folder"
    chmod 0700 "$LAB_STATE/hosts" "$folder"
    for type in ed25519 ecdsa rsa; do
        [ -f "$folder/ssh_host_${type}_key" ] || ssh-keygen -q -t "$type" -N '' -C "$1" -f "$folder/ssh_host_${type}_key"
    done
}

state_forget_host_keys() { rm -rf "${LAB_STATE:?}/hosts/$1"; }

# Rewrites what names the hosts, for those that exist now.
state_write() {
    local names
    names=$(host_names)
    state_known_hosts "$names" >"$LAB_STATE/known_hosts.new"
    state_ssh_config "$names" >"$LAB_STATE/ssh_config.new"
    state_inventory "$names" >"$LAB_STATE/inventory.yaml.new"
    local file
    for file in known_hosts ssh_config inventory.yaml; do
        mv "$LAB_STATE/$file.new" "$LAB_STATE/$file"
    done
}

state_known_hosts() {
    local host key port names
    for host in $1; do
        port=$(host_ssh_port "$host")
        names=$host,$(host_address "$host"),$(host_private_address "$host")
        [ "$port" = 22 ] || names=$names,[$(host_address "$host")]:$port
        for key in "$LAB_STATE/hosts/$host"/ssh_host_*_key.pub; do
            [ -f "$key" ] || continue
            printf '%s %s\n' "$names" "$(cut -d ' ' -f 1,2 "$key")"
        done
    done
}

state_ssh_config() {
    local host
    for host in $1; do
        printf 'Host %s\n    HostName %s\n    Port %s\n' "$host" "$(host_address "$host")" "$(host_ssh_port "$host")"
    done
    cat <<EOF
Host *
    User root
    IdentityFile $LAB_STATE/id_ed25519
    IdentitiesOnly yes
    UserKnownHostsFile $LAB_STATE/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    ConnectTimeout 5
    LogLevel ERROR
EOF
}

state_inventory() {
    local host database api
    database=$(printf '%s\n' "$1" | sed -n 1p)
    api=$(printf '%s\n' "$1" | sed -n 2p)
    cat <<EOF
# Written by lab/lab: the hosts that run now. 'private_address' is how the hosts reach each other.
all:
  vars:
    ansible_user: ops
    ansible_ssh_private_key_file: $LAB_STATE/id_ed25519
    ansible_ssh_common_args: -o UserKnownHostsFile=$LAB_STATE/known_hosts
  children:
    lab:
      hosts:
EOF
    for host in $1; do
        printf '        %s:\n          ansible_host: %s\n          ansible_port: %s\n          private_address: %s\n' \
            "$host" "$(host_address "$host")" "$(host_ssh_port "$host")" "$(host_private_address "$host")"
    done
    printf '    database:\n      hosts:\n        %s:\n' "$database"
    printf '    api:\n      hosts:\n        %s:\n' "${api:-$database}"
}
