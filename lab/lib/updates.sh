# shellcheck shell=bash disable=SC2154
# Rolling updates in a row under load, one of them bad, one with a container that is killed. Part of lab/production.

UPDATE_RATE=${UPDATE_RATE:-200}
# Where a bad release is to be noticed sooner than a slow one must be.
UPDATE_CHECK_SECONDS=15
UPDATE_AGAIN_MAX=3
WATCH_SECONDS=3
# Counters of connections and responses that broke, and of what was repeated for that: only a kill may move them.
UPDATE_REPEATED='econ|eresp|wretr|wredis|srv_abrt'

# Counters of both proxies, summed: `PROXY SERVER COUNTER VALUE`.
proxy_counters() {
    local host
    for host in lab1 lab2; do
        on "$host" "echo 'show stat' | socat -t 5 - UNIX-CONNECT:/run/haproxy/admin.sock"
    done | awk -F, '/^# / { sub(/^# /, ""); for (at = 1; at <= NF; at++) name[at] = $at; next }
        ($1 == "api" || $1 == "ingest" || $1 == "http") && NF > 10 {
            for (at = 3; at <= NF; at++)
                if (name[at] ~ /^(hrsp_[1-5]xx|hrsp_other|econ|eresp|ereq|wretr|wredis|cli_abrt|srv_abrt|dresp|req_tot)$/) sum[$1 " " $2 " " name[at]] += $at
        } END { for (key in sum) print key, sum[key] }' | sort
}

# What proxies counted between two looks: for backends and the entry one line of those that are not zero.
counted() {
    awk 'NR == FNR { before[$1 " " $2 " " $3] = $4; next }
        $2 ~ /^(FRONTEND|BACKEND)$/ { grown = $4 - before[$1 " " $2 " " $3]; if (grown != 0) said[$1] = said[$1] " " $3 "=" grown }
        END { for (proxy in said) printf "%s:%s; ", proxy, said[proxy] }' "$1" "$2"
}
# How much such counters have grown.
grown() {
    awk -v want="^($3)\$" 'NR == FNR { before[$1 " " $2 " " $3] = $4; next }
        $2 ~ /^(FRONTEND|BACKEND)$/ && $3 ~ want { sum += $4 - before[$1 " " $2 " " $3] } END { print sum + 0 }' "$1" "$2"
}

# Looks at the batches of these days over and over, where batches are written and where they are read: all rows or none.
batch_watch() {
    on lab3 "bash -s" <<EOF
export PGPASSWORD='$(secret owner)' PGCONNECT_TIMEOUT=5
rm -f /tmp/lab-watch-end
while [ ! -e /tmp/lab-watch-end ]; do
    for port in 5000 5001; do
        psql -qtAX -h $VIP -p \$port -U rates -d rates -c "SELECT count(*), coalesce(string_agg(day || ' has ' || rows, ', ') FILTER (WHERE rows NOT IN ($2, $3)), 'whole')
            FROM (SELECT day, count(*) AS rows FROM public.prices WHERE day >= '$1' GROUP BY day) AS days" || echo "no answer at \$port"
    done
    sleep $WATCH_SECONDS
done
EOF
}

# Another release: another line in the source. A bad one answers no query.
release() {
    sed -i '2s/.*/# Release '"$1"' of the lab./' "$UPDATE_SOURCE/rates.py"
    sed -i '/^        raise RuntimeError/d' "$UPDATE_SOURCE/rates.py"
    [ "${2:-}" != bad ] || sed -i 's/^    def rates():$/&\n        raise RuntimeError("this release is bad")/' "$UPDATE_SOURCE/rates.py"
}

# Which releases of the API and of that for batches serve, and from which image the workers come, on every host.
serving() {
    local host
    for host in lab1 lab2 lab3; do
        on "$host" "docker ps --filter label=deployer.rollout --format '{{.Names}}'; docker ps --filter label=deployer.worker --format '{{.Names}} {{.Image}}'" |
            sort | sed "s/^/$host /"
    done
}

# What is there before and after one update: everything is new, or nothing.
all_new() { [ -z "$(comm -12 "$1" "$2")" ] && [ "$(wc -l <"$1")" = "$(wc -l <"$2")" ]; }

updates() {
    local times=${1:-20} round began first rows=2000 large=20000 jobs bad=0 killed=0 again=0 seconds=() took
    local before=$LOGS/serving-before after=$LOGS/serving-after
    # One with a release that does not answer, one in which a container of the API is killed.
    local bad_round=$((times / 3)) kill_round=$((times * 2 / 3))
    settled
    first=$(sql "SELECT greatest(max(day) + 1, '2017-01-01') FROM public.prices")
    UPDATE_SOURCE=$LAB_STATE/release
    rm -rf "$UPDATE_SOURCE" "$LOGS/traffic-end"
    cp -R rates "$UPDATE_SOURCE"
    sed -i '1a #' "$UPDATE_SOURCE/rates.py"
    token_file
    say "$times updates under load; batches from $first on"
    began=$(sql 'SELECT now()')
    proxy_counters >"$LOGS/counters-before"
    batch_watch "$first" $rows $large >"$LOGS/watch" 2>&1 &
    jobs=$!
    python3 rates/tests/traffic.py --address "$VIP" --token-file "$LAB_STATE/token" --until "$LOGS/traffic-end" --first-day "$first" \
        --accepted "$LOGS/accepted" --rate "$UPDATE_RATE" --rows $rows --large-rows $large >"$LOGS/traffic" 2>"$LOGS/traffic-wrong" &
    jobs+=" $!"
    trap 'touch "$LOGS/traffic-end"; on lab3 touch /tmp/lab-watch-end' EXIT
    sleep 5
    for ((round = 1; round <= times; round++)); do
        serving >"$before"
        took=$SECONDS
        case $round in
            "$bad_round")
                release "$round" bad
                ! play update -e "rates_source=$UPDATE_SOURCE" -e "rates_check_timeout=$UPDATE_CHECK_SECONDS" >"$LOGS/update-$round" 2>&1 ||
                    die "update $round was to fail"
                grep -qE '[a-z0-9]+ back, [a-z0-9]+ untouched, [a-z0-9]+ untouched' "$LOGS/update-$round" || die "update $round did not go back; $LOGS/update-$round"
                serving >"$after"
                cmp -s "$before" "$after" || { diff "$before" "$after" >&2; die "update $round was bad and left something behind"; }
                bad=$((bad + 1))
                ;;
            "$kill_round")
                proxy_counters >"$LOGS/counters-killed-before"
                release "$round"
                : >"$LOGS/update-$round"
                kill_one "$LOGS/update-$round" &
                bring "$round"
                wait $! || die "nothing was killed in update $round"
                proxy_counters >"$LOGS/counters-killed-after"
                killed=$((killed + 1))
                ;;
            *)
                release "$round"
                bring "$round"
                ;;
        esac
        if [ "$round" != "$bad_round" ]; then
            serving >"$after"
            all_new "$before" "$after" || { diff "$before" "$after" >&2; die "update $round did not replace everything"; }
        fi
        seconds+=($((SECONDS - took)))
        say "update $round of $times took ${seconds[-1]} s; $(wc -l <"$LOGS/traffic-wrong") requests failed so far"
    done
    touch "$LOGS/traffic-end"
    # shellcheck disable=SC2086
    wait ${jobs#* } || true
    proxy_counters >"$LOGS/counters-after"
    on lab3 touch /tmp/lab-watch-end
    wait "${jobs% *}" || true
    trap - EXIT
    [ "$again" = 0 ] || summary "$again updates were not well in time, went back by themselves and were run again"
    updated "$times" "$bad" "$killed" "$began" "$first" "${seconds[*]}"
}

# One update, again where it went back by itself: on a machine that is busier than it should be a release may not be well in time.
bring() {
    local log=$LOGS/update-$1
    until play update -e "rates_source=$UPDATE_SOURCE" >"$log" 2>&1; do
        again=$((again + 1))
        cp "$log" "$log-failed-$again"
        tail -n 20 "$log" >&2
        if [ "$again" -gt "$UPDATE_AGAIN_MAX" ] || ! grep -q ' back, ' "$log"; then
            die "update $1 failed; $log"
        fi
    done
}

# Ends a gunicorn with its container, on the host that is switched last, while the first one is.
kill_one() {
    local end=$((SECONDS + SETTLE_SECONDS))
    until grep -q 'Roll the API out' "$1"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
    sleep 2
    on lab3 'docker ps --filter label=deployer.rollout=rates-api --format "{{.ID}}" | head -n 1 | xargs docker inspect --format "{{.State.Pid}}" | xargs kill -KILL'
}

# The figures, and whether they are as they must be.
updated() {
    local times=$1 bad=$2 killed=$3 began=$4 first=$5 wrong repeated in_kill=0 looks
    [ -s "$LOGS/traffic" ] || die "the load ended without its figures; $LOGS/traffic-wrong"
    summary "$times updates ($bad bad and back by itself, $killed with a container killed), each in ${6// /, } s"
    summary "load: $(cat "$LOGS/traffic")"
    summary "proxies counted: $(counted "$LOGS/counters-before" "$LOGS/counters-after")"
    wrong=$(grown "$LOGS/counters-before" "$LOGS/counters-after" 'hrsp_[45]xx|hrsp_other|dresp|ereq')
    repeated=$(grown "$LOGS/counters-before" "$LOGS/counters-after" "$UPDATE_REPEATED")
    if [ "$killed" != 0 ]; then
        summary "of these while the container was killed: $(counted "$LOGS/counters-killed-before" "$LOGS/counters-killed-after")"
        in_kill=$(grown "$LOGS/counters-killed-before" "$LOGS/counters-killed-after" "$UPDATE_REPEATED")
    fi
    sql "SELECT id || ' ' || coalesce(rows, 0) FROM ingest.batches WHERE received_at >= '$began' AND status = 'loaded' ORDER BY 1" |
        LC_ALL=C sort >"$LOGS/loaded"
    LC_ALL=C sort "$LOGS/accepted" | cmp -s - "$LOGS/loaded" || die "the batches that were accepted are not those that were loaded; $LOGS/accepted, $LOGS/loaded"
    [ "$(sql "SELECT count(*) FROM public.prices WHERE day >= '$first'")" = "$(awk '{ sum += $2 } END { print sum + 0 }' "$LOGS/accepted")" ] ||
        die "there are other rows than those of the accepted batches"
    [ "$(sql "SELECT max(attempts) FROM ingest.batches WHERE received_at >= '$began'")" = 1 ] || die "a batch was interrupted and tried again"
    looks=$(grep -c '|whole$' "$LOGS/watch")
    ! grep -v '|whole$' "$LOGS/watch" >&2 || die "a batch was seen in part, or nothing could be seen"
    summary "batches: $(wc -l <"$LOGS/accepted") accepted, exactly these loaded at the first attempt, each row once; $looks looks at all of them on primary and replica saw each whole or not"
    [ ! -s "$LOGS/traffic-wrong" ] || { head -n 20 "$LOGS/traffic-wrong" >&2; die "$(wc -l <"$LOGS/traffic-wrong") requests failed"; }
    [ "$wrong" = 0 ] || die "the proxies counted $wrong errors"
    [ "$repeated" = "$in_kill" ] || die "the proxies had trouble with $((repeated - in_kill)) requests that no kill accounts for"
}
