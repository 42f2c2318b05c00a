umask 077
mark=$1 home=$2 hashes=$3
shift 3
say() { printf "%s %s\n" "$mark" "$*"; }
# A helper that this very system has kept before, untouched since, is started without starting anything else.
system='' user=''
{ read -r system </etc/machine-id
  while read -r key _ value _; do case $key in Uid:) user=$value; break ;; esac; done </proc/self/status
} 2>/dev/null
[ -n "$user" ] || user=$(id -u) || { say refused "id does not run"; exit 0; }
cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/deployer
places() {
  [ "$home" != first ] || "$1" "$cache"
  for folder in /var/tmp /dev/shm /tmp; do "$1" "$folder/.deployer-$user"; done
  [ "$home" != last ] || "$1" "$cache"
}
mine() { [ ! -L "$1" ] && [ -O "$1" ]; }
kept() {
  for hash in $hashes; do
    file=$1/$hash
    [ -e "$file.$system" ] && mine "$file.$system" && mine "$1" && mine "$file" && [ -f "$file" ] && [ -x "$file" ] &&
      [ ! "$file" -nt "$file.$system" ] && start "$file"
  done
}
[ -z "$system" ] || places kept
[ "$(uname -s)" = Linux ] || { say refused "there is no helper for $(uname -s)"; exit 0; }
machine=$(uname -m)
case $machine in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; esac
while [ $# -ge 4 ] && [ "$1" != "$machine" ]; do shift 4; done
[ $# -ge 4 ] || { say refused "there is no helper for $machine"; exit 0; }
hash=$2
if command -v gzip >/dev/null 2>&1; then form=packed size=$4; unpack() { gzip -dc; }
else form=plain size=$3; unpack() { cat; }
fi
if command -v sha256sum >/dev/null 2>&1; then sum() { sha256sum <"$1"; }
elif command -v openssl >/dev/null 2>&1; then sum() { openssl dgst -sha256 -r <"$1"; }
else sum() { :; }
fi
keep() {
  sync "$1" 2>/dev/null || sync
  [ -z "$system" ] || : >"$1.$system"
} 2>/dev/null
own() {
  [ -d "$1" ] && mine "$1" || return 1
  case $(ls -ld "$1") in drwx------*) ;; *) chmod 700 "$1" 2>/dev/null ;; esac
}
cached() {
  file=$1/$hash
  own "$1" && [ -f "$file" ] && mine "$file" || return
  case $(sum "$file") in "$hash"*) keep "$file"; start "$file" ;; esac
}
places cached
why=''
bring() {
  [ -d "$1" ] || mkdir -p "$1" 2>/dev/null
  own "$1" || { why="$why; $1 cannot be used by user $user alone"; return; }
  file=$1/$hash new=$1/.$hash.$$
  say upload "$form" "$machine"
  head -c "$size" | unpack | { cat >"$new" 2>/dev/null || { cat >/dev/null; exit 1; }; } ||
    { rm -f "$new"; why="$why; $1 cannot be written (disk full?)"; return; }
  case $(sum "$new") in "$hash"* | "") ;; *) rm -f "$new"; why="$why; $1 got a damaged copy"; return ;; esac
  chmod 700 "$new"
  "$new" </dev/null >/dev/null 2>&1 || { rm -f "$new"; why="$why; nothing can be executed from $1"; return; }
  mv -f "$new" "$file" || { rm -f "$new"; why="$why; $1 cannot be written"; return; }
  find "$1" -type f -mtime +30 -exec rm -f {} + 2>/dev/null
  keep "$file"
  start "$file"
}
places bring
say refused "no folder takes the helper$why"
