# shellcheck shell=bash disable=SC2154
# Every bottleneck that the monitoring's page tells apart, provoked under traffic, and whether the page shows it. Part of lab/production.

BOTTLENECKS=(index locks connections disk cpu api proxy workers)
BOTTLENECK_RATE=${BOTTLENECK_RATE:-40}
# More clients than the API serves at once, so that a slow part has a queue in front of it.
BOTTLENECK_CLIENTS=120
# Rows enough that reading them all is felt; of a day that nobody asks for.
BOTTLENECK_ROWS=400000
BOTTLENECK_DAY=$(date -d "+1000 days" +%F)
# What comes at once where workers are to be short: batches, and rows of each.
FLOOD_BATCHES=18
FLOOD_ROWS=60000
# For the page to show it, and for the figures of the one before to sink again.
SHOWN_SECONDS=240
GONE_SECONDS=420
# It stays that long, for the figures over two minutes to rise.
STAYS_SECONDS=45
# What a starved program gets: percent of a core, bytes a second of its disk.
STARVED_PERCENT=4
STARVED_PROXY_PERCENT=1
STARVED_WORKER_PERCENT=1
STARVED_DISK_BYTES=131072

# The index that was taken away, and the jobs that keep sessions busy.
index_made=''
hogs=()

# What the page must show, line by line, each as a condition that gives nothing where it does not hold.
declare -A SHOWS=(
    [scans]='sum(database:rows_scanned:rate2m{name="prices"}) > 100000'
    [locks]='max(sessions_waiting_for_locks) > 1'
    [pool]='max(sum by (host, database) (pgbouncer_waiting_clients)) > 0'
    [disk]='max(sessions_waiting_for_io) > 0 and max(saturation:iowait:ratio) > 0.1'
    [cpu]='max(saturation:cpu:ratio) > 0.9 and sum(sessions_computing) > 2'
    [api]='saturation:api:ratio > 1'
    [proxy]='max(saturation:proxy:ratio) > 0.7'
    [workers]='max(rates_queue_oldest_seconds) > 30 and avg(rates_worker_busy) > 0.9'
)

holds() {
    local answer
    answer=$(asked "$1")
    grep -q '"status":"success"' <<<"$answer" || die "Prometheus does not answer $1: $answer"
    ! grep -q '"result":\[\]' <<<"$answer"
}

# The page's middle part as text: `WHAT | WHERE | NOW`.
page() {
    curl --silent --fail --max-time 10 "http://$LAB_SUBNET.13:9090/consoles/service.html" |
        sed -n '/<h1>Where work waits/,/<h1>Is it safe/s/^ *<tr[^>]*><td>\(.*\)<\/td><td>\(.*\)<\/td><td>\(.*\)<\/td><\/tr>.*/\1 | \2 | \3/p'
}
usual_query() { asked 'max_over_time(probe_duration_seconds{host="entry"}[1m])' | sed -n 's/.*,"\([0-9.]*\)"\].*/\1/p'; }

# --- Ways to use a part up. Each is undone by `relieve`. ---------------------------------------------------------

# So many sessions that ask again and again, until told to end: `hog HOST COUNT PASSWORD TARGET STATEMENT`.
hog() {
    on "$1" bash -s <<EOF &
export PGPASSWORD='$3' PGCONNECT_TIMEOUT=5
touch /tmp/lab-hog
for _ in \$(seq $2); do
    (while [ -e /tmp/lab-hog ]; do psql -qtAX "$4" -c "$5" >/dev/null 2>&1 || sleep 0.5; done) &
done
wait
EOF
    hogs+=("$!")
}

containers() { # HOST LABEL QUOTA, in microseconds of each tenth of a second; -1: no limit
    on "$1" "docker ps -q --filter label=$2 | xargs -r docker update --cpu-period 100000 --cpu-quota $3" >/dev/null
}

# Bytes a second that PostgreSQL of HOST may write; nothing: no limit.
disk_limit() {
    # The engine's own volume lies on the disk that the host's files lie on, too; a partition cannot be limited, its disk can.
    on "$1" "device=\$(findmnt -nro MAJ:MIN --target /var/lib/docker)
        [ ! -e /sys/dev/block/\$device/partition ] || device=\$(cat /sys/dev/block/\$device/../dev)
        [ -b /dev/lab-disk ] || mknod /dev/lab-disk b \${device%:*} \${device#*:}
        systemctl set-property --runtime patroni.service IOWriteBandwidthMax='${2:+/dev/lab-disk $2}'"
}

flood() {
    local number
    for ((number = 1; number <= FLOOD_BATCHES; number++)); do
        # Prices that no run before this one has sent, for what is sent twice is loaded once.
        awk -v day="$BOTTLENECK_DAY" -v rows="$FLOOD_ROWS" -v from="$((RANDOM * 1000))" 'BEGIN {
            print "orig_code,dest_code,day,price"
            for (at = 1; at <= rows; at++) print "CNGGZ,EETLL," day "," from + at }' |
            curl --fail --silent --show-error --max-time 60 --output /dev/null --data-binary @- --header 'Content-Type: text/csv' \
                --header @<(printf 'Authorization: Bearer %s\n' "$(ingest_token)") "http://$VIP/batches"
    done
}

use_up() {
    local host
    case $1 in
        index)
            index_made=$(sql "SELECT indexdef FROM pg_indexes WHERE tablename = 'prices' AND indexdef LIKE '%(orig_code, dest_code, day)%'")
            [ -n "$index_made" ] || die "table prices has no index to take away"
            sql "DROP INDEX public.$(sql "SELECT indexname FROM pg_indexes WHERE tablename = 'prices' AND indexdef LIKE '%(orig_code, dest_code, day)%'")"
            ;;
        locks)
            hog lab1 1 "$(secret owner)" "host=$VIP port=5000 user=rates dbname=rates" \
                'BEGIN; LOCK TABLE public.prices IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(8); ROLLBACK'
            ;;
        connections)
            for host in lab1 lab2 lab3; do
                hog "$host" 40 "$(secret reader)" "host=$LAB_SUBNET.$((10 + ${host#lab})) port=6432 user=rates_reader dbname=rates_read" 'SELECT pg_sleep(2)'
            done
            ;;
        disk) disk_limit "$(primary)" "$STARVED_DISK_BYTES" ;;
        cpu) hog lab1 4 "$(secret owner)" "host=$VIP port=5001 user=rates dbname=rates" 'SELECT count(*) FROM generate_series(1, 4000000)' ;;
        api) for host in lab1 lab2 lab3; do containers "$host" deployer.rollout=rates-api "${STARVED_PERCENT}000"; done ;;
        workers)
            for host in lab1 lab2 lab3; do containers "$host" deployer.worker "${STARVED_WORKER_PERCENT}000"; done
            flood
            ;;
        proxy) for host in lab1 lab2; do on "$host" systemctl set-property --runtime haproxy "CPUQuota=$STARVED_PROXY_PERCENT%"; done ;;
    esac
}

relieve() {
    local host
    case $1 in
        index) [ -z "$index_made" ] || sql "${index_made/CREATE INDEX/CREATE INDEX IF NOT EXISTS}" ;;
        disk) for host in lab1 lab2 lab3; do disk_limit "$host" ''; done ;;
        api) for host in lab1 lab2 lab3; do containers "$host" deployer.rollout=rates-api -1; done ;;
        workers) for host in lab1 lab2 lab3; do containers "$host" deployer.worker -1; done ;;
        proxy) for host in lab1 lab2; do on "$host" systemctl set-property --runtime haproxy CPUQuota=; done ;;
    esac
    for host in lab1 lab2 lab3; do on "$host" rm -f /tmp/lab-hog; done
    [ ${#hogs[@]} -eq 0 ] || wait "${hogs[@]}" || true
    hogs=()
}

# Lines that must show it, and lines that must not, or one would take it for something else.
signs() {
    case $1 in
        index) shown=(scans) hidden=(locks disk workers proxy) ;;
        locks) shown=(locks) hidden=(scans disk cpu proxy) ;;
        connections) shown=(pool) hidden=(scans locks disk cpu proxy) ;;
        disk) shown=(disk) hidden=(scans locks cpu proxy) ;;
        cpu) shown=(cpu) hidden=(scans locks disk proxy) ;;
        api) shown=(api) hidden=(scans locks pool disk cpu proxy) ;;
        proxy) shown=(proxy) hidden=(scans locks disk cpu workers) ;;
        workers) shown=(workers) hidden=(scans locks pool disk cpu api proxy) ;;
        *) die "there is no bottleneck called '$1'; there are: ${BOTTLENECKS[*]}" ;;
    esac
}

# 0 where all of these lines show something (`every`), or any does (`any`).
every() { local line; for line in "$@"; do holds "${SHOWS[$line]}" || return 1; done; }
any() { local line; for line in "$@"; do ! holds "${SHOWS[$line]}" || return 0; done; return 1; }
quiet() { ! any "${shown[@]}" "${hidden[@]}"; }

# Waits until a test succeeds: `within SECONDS TEST…`.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 5
    done
}

provoke() {
    local name=$1 shown hidden line began took
    signs "$name"
    within "$GONE_SECONDS" quiet || { page >&2; die "the page does not become quiet before '$name'"; }
    page >"$LOGS/page-$name-before"
    say "$name: using it up"
    began=$SECONDS
    use_up "$name"
    within "$SHOWN_SECONDS" every "${shown[@]}" || { page >&2; die "the page does not show that '$name' is used up"; }
    took=$((SECONDS - began))
    sleep "$STAYS_SECONDS"
    within "$SHOWN_SECONDS" every "${shown[@]}" || die "the page shows '$name' no more"
    page >"$LOGS/page-$name"
    summary "$name: shown after $took s; the usual query takes $(usual_query) s"
    { diff "$LOGS/page-$name-before" "$LOGS/page-$name" || true; } | sed -n 's/^> /      /p' | tee -a "$LOGS/summary"
    for line in "${hidden[@]}"; do
        ! holds "${SHOWS[$line]}" || { page >&2; die "the page also shows $line where '$name' is used up"; }
    done
    relieve "$name"
}

bottlenecks() {
    local name traffic first
    [ $# -gt 0 ] || set -- "${BOTTLENECKS[@]}"
    settled
    token_file
    rm -f "$LOGS/traffic-end"
    trap 'touch "$LOGS/traffic-end"; for name in "${BOTTLENECKS[@]}"; do relieve "$name"; done' EXIT
    say "filling the table"
    sql "DELETE FROM public.prices WHERE day >= '$BOTTLENECK_DAY'"
    sql "INSERT INTO public.prices (orig_code, dest_code, day, price) SELECT orig_code, dest_code, '$BOTTLENECK_DAY', price
        FROM (SELECT * FROM public.prices LIMIT 2000) AS sample, generate_series(1, $((BOTTLENECK_ROWS / 2000)))"
    first=$(sql "SELECT greatest(max(day) + 1, '2017-01-01') FROM public.prices WHERE day < '$BOTTLENECK_DAY'")
    python3 rates/tests/traffic.py --address "$VIP" --token-file "$LAB_STATE/token" --until "$LOGS/traffic-end" --rate "$BOTTLENECK_RATE" \
        --clients "$BOTTLENECK_CLIENTS" --batch-every 5 --first-day "$first" >"$LOGS/bottleneck-traffic" 2>"$LOGS/bottleneck-wrong" &
    traffic=$!
    for name in "$@"; do provoke "$name"; done
    touch "$LOGS/traffic-end"
    wait "$traffic" || true
    trap - EXIT
    sql "DELETE FROM public.prices WHERE day >= '$BOTTLENECK_DAY'"
}
