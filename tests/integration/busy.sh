#!/usr/bin/env bash
# A sweep that the machine keeps waiting is late itself; its servers are not. The program is stopped
# for longer than --connect-timeout with many connections under way, a few times: no server may be
# called late for that. Usage: busy.sh [BUILD_DIR]; without one $PINSWEEP (from tests/run) and
# what stands beside it, else build/. Ends with "integration busy: N passed, N failed".
# limit: 120
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
tree=${1:-${PINSWEEP:+$(dirname "$PINSWEEP")}}
tree=${tree:-$here/build}
work=$(mktemp -d)
fleet_pid=
trap '[ -z "$fleet_pid" ] || kill "$fleet_pid"; rm -rf "$work"' EXIT

finish() {
    echo "integration busy: $1 passed, $2 failed"
    [ "$2" = 0 ]
    exit
}

mkfifo "$work/ready"
"$tree/fleetsim" --fast --port 0 --identities 1500 --padding 600 --ready-file "$work/ready" \
    --write-trust "$work/roots.pem" --exit-with-parent >"$work/fleet" 2>&1 &
fleet_pid=$!
read -r -t 30 word port <"$work/ready" || word=
if [ "$word" != ready ]; then
    echo "FAILED  busy: the fleet did not get ready: $(cat "$work/fleet")"
    finish 0 1
fi
for ((i = 1; i <= 1500; i++)); do
    echo "127.0.$((i / 256)).$((i % 256)),h$i.fleet.test,,$port"
done >"$work/inventory.csv"
"$tree/pinsweep" sweep --quiet -f "$work/inventory.csv" --cacert "$work/roots.pem" --workers 1 \
    --concurrency 1500 --server-rate-limit 0 --connect-timeout 400ms --retries 0 \
    -o "$work/records" 2>"$work/errors" &
sweep_pid=$!
stops=0
while ((stops < 4)) && kill -STOP "$sweep_pid" 2>"$work/kill"; do
    stops=$((stops + 1))
    sleep 0.6
    kill -CONT "$sweep_pid"
    sleep 0.1
done
wait "$sweep_pid"
code=$?
good=$(grep -c '"status":"success"' "$work/records")
if [ "$code" != 0 ] || [ "$good" != 1500 ]; then
    echo "FAILED  busy: exit code $code, $good of 1500 succeeded, in $stops stops"
    grep -o '"status":"[a-z-]*","error":"[^"]*"' "$work/records" | sort | uniq -c | sort -rn | head -n 5
    head -n 5 "$work/errors"
    finish 0 1
fi
finish 1 0
