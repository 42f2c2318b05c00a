# shellcheck shell=bash
# The machine's Docker engine: installed and started where that is still to be done.

ENGINE_LOG=/var/log/deployer-lab-dockerd.log
ENGINE_PID=/run/deployer-lab-dockerd.pid

engine_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

lab_engine() {
    case ${1:-} in
        '') engine_ensure ;;
        --stop) engine_stop ;;
        *) die "'lab/lab engine' takes nothing but --stop" ;;
    esac
}

engine_ensure() {
    engine_install
    engine_answers || engine_start
}

engine_install() {
    local missing='' pair
    for pair in docker:docker.io dockerd:docker.io debootstrap:debootstrap ip:iproute2 iptables:iptables \
        ssh:openssh-client ssh-keygen:openssh-client; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null || missing+=" ${pair#*:}"
    done
    # An engine elsewhere (DOCKER_HOST) needs no daemon of ours.
    if engine_answers; then
        missing=${missing// docker.io/}
    fi
    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] || die "install$missing first, or run this as root"
    say "installing$missing"
    apt-get update -qq >&2
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >&2
}

engine_start() {
    [ "$(id -u)" = 0 ] || die "no Docker engine answers; start one, or run this as root"
    if [ -d /run/systemd/system ]; then
        say "starting docker.service"
        systemctl start docker
    else
        # Without an init nothing else will start it, and Debian's init script needs limits that small machines refuse.
        say "no init here: starting dockerd in the background (log: $ENGINE_LOG)"
        # Its parent's descriptors are closed: a lock held by a daemon would never be released.
        setsid nohup dockerd </dev/null >"$ENGINE_LOG" 2>&1 9>&- &
        echo $! >"$ENGINE_PID"
    fi
    local tries
    for ((tries = 0; tries < 120; tries++)); do
        if engine_answers; then
            say "Docker engine $(docker version --format '{{.Server.Version}}') runs"
            return
        fi
        sleep 0.5
    done
    tail -n 20 "$ENGINE_LOG" >&2 || true
    die "the Docker engine did not answer within a minute"
}

# Ends only an engine that `engine_start` put in the background; its containers end with it.
engine_stop() {
    local pid tries
    [ -f "$ENGINE_PID" ] || return 0
    pid=$(cat "$ENGINE_PID")
    rm "$ENGINE_PID"
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] || return 0
    kill "$pid"
    for ((tries = 0; tries < 60; tries++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.5
    done
    die "dockerd ($pid) has not ended within 30 s"
}
