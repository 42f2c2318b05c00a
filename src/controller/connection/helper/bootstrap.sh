umask 077
mark=$1 home=$2
shift 2
say() { printf "%s %s\n" "$mark" "$*"; }
[ "$(uname -s)" = Linux ] || { say refused "there is no helper for $(uname -s)"; exit 0; }
machine=$(uname -m)
case $machine in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; esac
while [ $# -ge 3 ] && [ "$1" != "$machine" ]; do shift 3; done
[ $# -ge 3 ] || { say refused "there is no helper for $machine"; exit 0; }
hash=$2 size=$3
user=$(id -u) || { say refused "id does not run"; exit 0; }
if command -v sha256sum >/dev/null 2>&1; then sum() { sha256sum <"$1"; }
elif command -v openssl >/dev/null 2>&1; then sum() { openssl dgst -sha256 -r <"$1"; }
else sum() { :; }
fi
set -- "/var/tmp/.deployer-$user" "/dev/shm/.deployer-$user" "/tmp/.deployer-$user"
cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/deployer
case $home in first) set -- "$cache" "$@" ;; last) set -- "$@" "$cache" ;; esac
own() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] || return 1
  case $(ls -ld "$1") in drwx------*) ;; *) chmod 700 "$1" 2>/dev/null ;; esac
}
for folder; do
  file=$folder/$hash
  own "$folder" && [ -f "$file" ] && [ ! -L "$file" ] && [ -O "$file" ] || continue
  case $(sum "$file") in "$hash"*) start "$file" ;; esac
done
why=
for folder; do
  [ -d "$folder" ] || mkdir -p "$folder" 2>/dev/null
  own "$folder" || { why="$why; $folder cannot be used by user $user alone"; continue; }
  file=$folder/$hash new=$folder/.$hash.$$
  say upload "$machine"
  head -c "$size" | { cat >"$new" 2>/dev/null || { cat >/dev/null; exit 1; }; } ||
    { rm -f "$new"; why="$why; $folder cannot be written (disk full?)"; continue; }
  case $(sum "$new") in "$hash"* | "") ;; *) rm -f "$new"; why="$why; $folder got a damaged copy"; continue ;; esac
  chmod 700 "$new"
  "$new" </dev/null >/dev/null 2>&1 || { rm -f "$new"; why="$why; nothing can be executed from $folder"; continue; }
  mv -f "$new" "$file" || { rm -f "$new"; why="$why; $folder cannot be written"; continue; }
  find "$folder" -type f -mtime +30 -exec rm -f {} + 2>/dev/null
  start "$file"
done
say refused "no folder takes the helper$why"
