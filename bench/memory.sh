#!/usr/bin/env bash
# Memory of a sweep: per connection in flight, and whether it grows with the input.
#   bench/memory.sh [BUILD_DIR [LONG]]     (default: build, 1000000 lines)
# One worker against fleetsim with 500,000 distinct leaves. Prints peak resident sets (ru_maxrss) of
#   256 and 10,000 connections in flight (as far as the descriptors allow) over 30,000 lines, and
#   10,000 and LONG lines with 2,000 connections in flight;
# their difference and their ratio are the figures of the README. Takes the time of LONG + 70,000
# handshakes.
set -eu
build=${1:-build}
long=${2:-1000000}
work=$(mktemp -d)
trap 'kill "$fleet"; rm -rf "$work"' EXIT

mkfifo "$work/ready"
# Four listen queues: one holds 4,096 connections.
"$build/fleetsim" --fast --tls 1.3 --identities 500000 --padding 600 --port 0 --port 0 --port 0 \
    --port 0 --exit-with-parent --ready-file "$work/ready" --write-policy "$work/policy.yaml" \
    --write-trust "$work/roots.pem" >"$work/fleet" 2>&1 &
fleet=$!
read -r _ port0 port1 port2 port3 <"$work/ready"
ports=("$port0" "$port1" "$port2" "$port3")

inventory() {
    awk -v n="$1" -v ports="${ports[*]}" 'BEGIN {
        split(ports, port, " ")
        for (i = 0; i < n; i++) {
            k = i % 500000 + 1
            printf "127.%d.%d.%d,h%d.fleet.test,,%d\n", int(k / 65536), int(k / 256) % 256, k % 256,
                   k, port[i % 4 + 1]
        }
    }'
}

# peak LINES IN_FLIGHT: peak resident set in KB; every line must end in success.
peak() {
    inventory "$1" >"$work/inventory.csv"
    "$build/pinsweep" sweep --quiet -f "$work/inventory.csv" --cacert "$work/roots.pem" --workers 1 \
        --concurrency "$2" --server-rate-limit 0 --overwrite -o /dev/null --fail-on none \
        --metadata-file "$work/metadata.json" >&2
    python3 - "$work/metadata.json" "$1" <<'PYTHON'
import json, sys
text = open(sys.argv[1]).read()
flat = {}
def walk(value):
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, (int, float)):
                flat.setdefault(key, item)
            walk(item)
walk(json.loads(text))
if flat["completed"] != int(sys.argv[2]):
    sys.exit("memory.sh: %s of %s handshakes completed" % (flat["completed"], sys.argv[2]))
print(flat["max_rss_bytes"] // 1024)
PYTHON
}

small=$(peak 30000 256)
large=$(peak 30000 10000)
echo "256 in flight:    $small KB at most"
echo "10,000 in flight: $large KB at most"
awk -v a="$small" -v b="$large" 'BEGIN {
    printf "each connection in flight: %.1f KB (of 12)\n", (b - a) / (10000 - 256) }'
short=$(peak 10000 2000)
whole=$(peak "$long" 2000)
echo "10,000 lines:     $short KB at most"
echo "$long lines:  $whole KB at most"
awk -v a="$short" -v b="$whole" 'BEGIN { printf "ratio: %.3f (of 1.05)\n", b / a }'
