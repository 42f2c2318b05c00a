# shellcheck shell=bash
# The hosts' image: a minimal Debian with systemd and sshd, no Docker and no Python, made from the machine's own package sources.

IMAGE_PACKAGES=systemd,systemd-sysv,dbus,openssh-server,ca-certificates,iproute2,sudo
CA_BUNDLE=${CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}

# Prints `URI RELEASE COMPONENT` for each Debian 12 source that this machine uses.
image_sources() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 ~ /^bookworm(-updates|-security)?$/ && $3 == "main"' | sort -u
}

# Prints the machine's apt settings without which its sources cannot be reached (proxies, re-signed or frozen archives).
image_apt_settings() {
    apt-config dump | grep -E '^Acquire::([a-z]+::)*(Proxy|CaInfo|Check-Valid-Until|Check-Date)[: ]' || true
}

image_recipe_hash() {
    { cat "$LAB_HOME"/lib/image.sh "$LAB_HOME"/image/*; image_sources; image_apt_settings; cat "$CA_BUNDLE"; } |
        sha256sum | cut -d ' ' -f 1
}

lab_image() {
    engine_ensure
    image_ensure
}

image_ensure() {
    local recipe
    # A fresh machine knows no package lists yet, and then apt names no sources.
    if [ -z "$(image_sources)" ] && [ "$(id -u)" = 0 ]; then
        apt-get update -qq >&2
    fi
    recipe=$(image_recipe_hash)
    if [ "$(docker image inspect -f '{{index .Config.Labels "deployer-lab.recipe"}}' "$LAB_IMAGE" 2>/dev/null)" = "$recipe" ]; then
        return
    fi
    [ "$(id -u)" = 0 ] || die "building the image needs root (debootstrap)"
    image_build "$recipe"
}

image_build() {
    local recipe=$1 root mirror
    mirror=$(image_sources | awk '$2 == "bookworm" { print $1; exit }')
    [ -n "$mirror" ] || die "this machine has no Debian 12 package source to build the hosts from"
    root=$(mktemp -d /var/tmp/deployer-lab.XXXXXX)
    # shellcheck disable=SC2064
    trap "rm -rf '$root'" EXIT
    say "building $LAB_IMAGE from Debian's packages (about a minute)"
    debootstrap --variant=minbase --include="$IMAGE_PACKAGES" bookworm "$root" "$mirror" >"$LAB_STATE/debootstrap.log" 2>&1 ||
        { tail -n 20 "$LAB_STATE/debootstrap.log" >&2; die "debootstrap failed"; }

    image_sources | sed 's/^/deb /' >"$root/etc/apt/sources.list"
    image_apt_settings >"$root/etc/apt/apt.conf.d/90machine"
    image_add_authorities "$root"
    install -D -m 0755 "$LAB_HOME/image/boot" "$root/usr/local/sbin/lab-boot"
    install -D -m 0644 "$LAB_HOME/image/sshd.conf" "$root/etc/ssh/sshd_config.d/lab.conf"
    install -m 0755 "$LAB_HOME/image/prepare" "$root/prepare"
    chroot "$root" /prepare
    rm "$root/prepare"

    tar -C "$root" --numeric-owner -c . | docker import \
        -c 'ENV container=docker' -c 'CMD ["/usr/local/sbin/lab-boot"]' \
        -c "LABEL deployer-lab.recipe=$recipe" - "$LAB_IMAGE" >/dev/null
    rm -rf "$root"
    trap - EXIT
    say "$LAB_IMAGE is ready"
}

# Networks that re-sign TLS have authorities of their own: hands the host those that Debian's bundle lacks.
image_add_authorities() {
    local root=$1 folder=$1/usr/local/share/ca-certificates
    mkdir -p "$folder"
    awk -v folder="$folder" '
        /BEGIN CERTIFICATE/ { body = ""; inside = 1 }
        inside { body = body $0 "\n" }
        /END CERTIFICATE/ {
            inside = 0
            if (FILENAME == ARGV[1]) known[body] = 1
            else if (!(body in known)) printf "%s", body > (folder "/machine-" ++count ".crt")
        }' "$root/etc/ssl/certs/ca-certificates.crt" "$CA_BUNDLE"
}
