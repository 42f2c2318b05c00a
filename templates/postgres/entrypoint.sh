#!/bin/bash
# Start PostgreSQL; on an empty volume, make the cluster first.
#
# Understands the variables of the official image that the project uses: POSTGRES_USER,
# POSTGRES_PASSWORD, POSTGRES_HOST_AUTH_METHOD, POSTGRES_INITDB_ARGS, PGDATA. So one role
# drives both images.
set -euo pipefail

fail() {
    echo "entrypoint: $*" >&2
    exit 1
}

if [ "${1:-postgres}" != postgres ] && [[ "${1}" != -* ]]; then
    exec "$@"
fi
if [[ "${1:-}" == -* ]]; then
    set -- postgres "$@"
fi

: "${PGDATA:=/var/lib/postgresql/data/pgdata}"
export PGDATA

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$(dirname "$PGDATA")"
    chown postgres:postgres "$(dirname "$PGDATA")"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- /bin/bash "$0" "$@"
fi

initialise() {
    local user="${POSTGRES_USER:-postgres}" method="${POSTGRES_HOST_AUTH_METHOD:-md5}"
    local new="$PGDATA.initialising" password_file options=()
    if [ "$method" != trust ] && [ -z "${POSTGRES_PASSWORD:-}" ]; then
        fail "set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust where nobody else can connect"
    fi
    # What an interrupted attempt left behind never held data.
    rm -rf "$new"
    if [ -n "${POSTGRES_PASSWORD:-}" ]; then
        # In memory and for this user alone: an argument would show in the process list.
        password_file="$(umask 077 && mktemp /dev/shm/password.XXXXXX)"
        printf '%s\n' "$POSTGRES_PASSWORD" > "$password_file"
        options+=(--pwfile="$password_file")
    fi
    # The variable is a list of words by its definition in the official image.
    # shellcheck disable=SC2206
    options+=(${POSTGRES_INITDB_ARGS:-})
    initdb --pgdata="$new" --username="$user" --encoding=UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=trust "${options[@]}"
    [ -z "${password_file:-}" ] || rm -f "$password_file"
    printf '\nhost all all all %s\n' "$method" >> "$new/pg_hba.conf"
    if [ "$method" != trust ]; then
        sed -i -E "s/^(host .*(127\.0\.0\.1\/32|::1\/128).*)trust$/\1$method/" "$new/pg_hba.conf"
    fi
    printf "\nlisten_addresses = '*'\nunix_socket_directories = '/tmp'\n" >> "$new/postgresql.conf"
    sync
    # Only a complete cluster ever gets the name that the server looks for.
    mv "$new" "$PGDATA"
    echo "entrypoint: new cluster in $PGDATA"
}

server="$(postgres --version | sed -E 's/^postgres \(PostgreSQL\) ([0-9]+)(\.[0-9]+)?.*/\1\2/')"
case "$server" in
    9.*) ;;
    *) server="${server%%.*}" ;;
esac

if [ ! -e "$PGDATA/PG_VERSION" ]; then
    if [ -d "$PGDATA" ] && [ -n "$(ls -A "$PGDATA")" ]; then
        fail "$PGDATA is neither empty nor a database cluster (no PG_VERSION); nothing was touched"
    fi
    if [ -d "$PGDATA" ]; then
        rmdir "$PGDATA" 2>/dev/null || fail "$PGDATA must be a folder below the volume's mount point, not the mount point itself"
    fi
    initialise
elif [ "$(cat "$PGDATA/PG_VERSION")" != "$server" ]; then
    fail "$PGDATA holds data of PostgreSQL $(cat "$PGDATA/PG_VERSION"), this image is $server; nothing was touched"
fi

unset POSTGRES_PASSWORD
exec "$@"
