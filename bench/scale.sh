#!/usr/bin/env bash
# Large inputs: whether memory stays as it is, and what they cost.
#   bench/scale.sh [BUILD_DIR [PART...]]     (default: build; parts: input names endpoints)
# input      10,000,000 lines counted (--dry-run) from a file and from a pipe, and swept with every
#            name on the block list: as many records; peak resident sets against 100,000 lines
# names      1,000,000 names resolved through dnssim on this machine (whose addresses are on the
#            block list): names a second, CPU a name
# endpoints  1,000,000 endpoints of fleetsim, all leaves ECDSA, 500,000 of them distinct, at depth
#            prove, on all cores and the server beside them: every line must be proven. Takes 75 s of
#            CPU to mint and about 500 us an endpoint, of both sides.
# Needs 6 GB in TMPDIR. LINES, NAMES and ENDPOINTS in the environment make it shorter.
set -eu
build=${1:-build}
shift || true
parts=" ${*:-input names endpoints} "
work=$(mktemp -d)
children=()
trap '((${#children[@]} == 0)) || kill "${children[@]}"; rm -rf "$work"' EXIT
mkfifo "$work/ready"

# run TITLE UNITS ARGUMENT...: a sweep whose standard input is ours; wall, CPU and memory of it.
run() {
    python3 -c '
import os, subprocess, sys, time
title, units, *command = sys.argv[1:]
begin = time.monotonic()
process = subprocess.Popen(command)
_, status, usage = os.wait4(process.pid, 0)
wall, cpu = time.monotonic() - begin, usage.ru_utime + usage.ru_stime
if os.waitstatus_to_exitcode(status) != 0:
    sys.exit("scale.sh: %s: it failed" % title)
print("%-34s %9.0f a second, %6.2f us of CPU each, %6d KB at most"
      % (title, int(units) / wall, cpu * 1e6 / int(units), usage.ru_maxrss), flush=True)
' "$1" "$2" "$build/pinsweep" sweep --quiet "${@:3}"
}

# count FILE LINES
count() {
    [[ $(wc -l <"$1") == "$2" ]] || {
        echo "scale.sh: not every line has its record" >&2
        exit 1
    }
}

names() {
    seq -f 'h%.0f.fleet.test' "$1"
}

input() {
    local lines=${LINES:-10000000} n
    echo '*.fleet.test' >"$work/block"
    for n in 100000 "$lines"; do
        names "$n" >"$work/names"
        run "$n lines of a file, counted" "$n" --dry-run -f "$work/names" >"$work/said"
        tail -n 1 "$work/said"
        run "$n lines of a pipe, counted" "$n" --dry-run < <(cat "$work/names") >"$work/said"
        tail -n 1 "$work/said"
        run "$n lines, $n records" "$n" -f "$work/names" -b "$work/block" -o "$work/out" --overwrite
        count "$work/out" "$n"
    done
}

resolve() {
    local n=${NAMES:-1000000} port
    "$build/dnssim" "$work/ready" &
    children+=($!)
    read -r _ port <"$work/ready"
    echo 127.0.0.0/8 >"$work/block"
    names "$n" >"$work/names"
    run "$n names resolved" "$n" -f "$work/names" -b "$work/block" --dns-servers "127.0.0.1:$port" \
        -o "$work/out" --overwrite --metadata-file "$work/metadata"
    count "$work/out" "$n"
    python3 -c '
import json, sys
statuses = json.load(open(sys.argv[1]))["statuses"]
sys.exit(statuses["blocklisted"] != int(sys.argv[2]) and "scale.sh: not every name was found: %s"
         % {k: v for k, v in statuses.items() if v})' "$work/metadata" "$n"
}

endpoints() {
    local n=${ENDPOINTS:-1000000} ports
    "$build/fleetsim" --fast --tls 1.3 --identities 500000 --cache 500000 --prewarm --padding 600 \
        --port 0 --port 0 --port 0 --port 0 --exit-with-parent --ready-file "$work/ready" \
        --write-trust "$work/roots.pem" >"$work/fleet" 2>&1 &
    children+=($!)
    read -r _ ports <"$work/ready"
    awk -v n="$n" -v ports="$ports" 'BEGIN {
        split(ports, port, " ")
        for (i = 0; i < n; i++) {
            k = i % 500000 + 1
            printf "127.%d.%d.%d,h%d.fleet.test,,%d\n", int(k / 65536), int(k / 256) % 256, k % 256,
                   k, port[(i + int(i / 500000)) % 4 + 1]
        }
    }' >"$work/inventory"
    for n in 10000 "$n"; do
        head -n "$n" "$work/inventory" >"$work/part"
        run "$n endpoints proven" "$n" -f "$work/part" --cacert "$work/roots.pem" --depth prove \
            --concurrency 2000 --server-rate-limit 0 --fail-on none --chain-detail ids \
            -o "$work/out" --overwrite --metadata-file "$work/metadata"
        count "$work/out" "$n"
        python3 -c '
import json, sys
proven = json.load(open(sys.argv[1]))["handshakes"]["proven"]
sys.exit(proven != int(sys.argv[2]) and "scale.sh: %d endpoints were proven" % proven)
' "$work/metadata" "$n"
    done
}

[[ $parts != *" input "* ]] || input
[[ $parts != *" names "* ]] || resolve
[[ $parts != *" endpoints "* ]] || endpoints
