#!/usr/bin/env bash
# Drives fleetsim with the openssl program and plain sockets: the identities that it promises, and
# every behaviour. Usage: fleetsim.sh [BUILD_DIR]; without one the tree of $PINSWEEP (the sanitized
# one, from tests/run), else build/. Ends with "integration fleetsim: N passed, N failed".
# limit: 300
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
tree=${PINSWEEP:+$(dirname "$PINSWEEP")}
fleetsim=${1:-${tree:-$here/build}}/fleetsim
work=$(mktemp -d)
passed=0
failed=0
fleet_pid=

# Ends the fleet; it must end with 0, which the sanitizers refuse when something leaked.
stop_fleet() {
    kill "$fleet_pid"
    check "ends cleanly" wait "$fleet_pid"
    [ ! -s "$work/errors" ] || cat "$work/errors"
    fleet_pid=
}
trap '[ -z "$fleet_pid" ] || kill "$fleet_pid"; rm -rf "$work"' EXIT

# check NAME COMMAND...: passes if the command does.
check() {
    local name=$1
    shift
    if "$@" >"$work/last" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED  fleetsim: $name"
        sed 's/^/        /' "$work/last" | head -n 20
    fi
}

# start_fleet OPTIONS...: its ports, in the order of the options, in the array `ports`.
start_fleet() {
    rm -f "$work/ready"
    mkfifo "$work/ready"
    "$fleetsim" --ready-file "$work/ready" --exit-with-parent "$@" >"$work/stats" 2>"$work/errors" &
    fleet_pid=$!
    local word=
    read -r -t 30 word rest <"$work/ready"
    if [ "$word" != ready ]; then
        echo "FAILED  fleetsim: did not get ready: $(cat "$work/errors")"
        echo "integration fleetsim: $passed passed, $((failed + 1)) failed"
        exit 1
    fi
    read -ra ports <<<"$rest"
}

# client ADDRESS PORT OPTIONS...: a handshake by openssl s_client; its words in $work/client.
client() {
    local address=$1 port=$2
    shift 2
    timeout 20 openssl s_client -connect "$address:$port" -CAfile "$work/roots.pem" "$@" \
        </dev/null >"$work/client" 2>&1
    cat "$work/client"
}

says() {
    local words=$1
    shift
    client "$@"
    grep -q -e "$words" "$work/client"
}

says_not() {
    ! says "$@"
}

# "sha256/..." of the leaf that was sent.
leaf_pin() {
    client "$@" -showcerts >/dev/null
    openssl x509 -in "$work/client" -noout -pubkey 2>/dev/null |
        openssl pkey -pubin -outform DER 2>/dev/null |
        openssl dgst -sha256 -binary | base64 | sed 's|^|sha256/|'
}

same() {
    echo "$1" "$2"
    [ -n "$1" ] && [ "$1" = "$2" ]
}

differ() {
    echo "$1" "$2"
    [ -n "$1" ] && [ "$1" != "$2" ]
}

# raw PORT SCRIPT: SCRIPT (Python) with `s` connected to 127.0.0.1:PORT and `hello`, a ClientHello
# that openssl made.
raw() {
    python3 - "$1" "$2" <<'PYTHON'
import socket, ssl, struct, sys, time
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
tls = context.wrap_bio(incoming, outgoing, server_hostname="h1.fleet.test")
try:
    tls.do_handshake()
except ssl.SSLWantReadError:
    pass
hello = outgoing.read()
s = socket.socket()
s.settimeout(5)
try:
    s.connect(("127.0.0.1", int(sys.argv[1])))
except ConnectionResetError:  # where it comes in before connect() has returned
    print("reset while connecting")
    sys.exit(0 if "reset" in sys.argv[2] else 1)

def read_all():
    got = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                return got, "closed"
            got += part
    except ConnectionResetError:
        return got, "reset"
    except socket.timeout:
        return got, "silent"

def flight():
    global tls
    got = b""
    s.sendall(hello)
    while True:
        try:
            tls.do_handshake()
            s.sendall(outgoing.read())
            return "done"
        except ssl.SSLWantReadError:
            part = s.recv(65536)
            if not part:
                return "closed"
            incoming.write(part)
        except ssl.SSLError as error:
            return str(error)

exec(sys.argv[2])
PYTHON
}

[ -x "$fleetsim" ] || {
    echo "FAILED  fleetsim: $fleetsim is not built"
    echo "integration fleetsim: 0 passed, 1 failed"
    exit 1
}

# --- identities ---
start_fleet --port 0 --port 0 --identities 400 --rsa-percent 10 --ipv6 --stats \
    --write-trust "$work/roots.pem" --write-inventory "$work/inventory" \
    --write-policy "$work/policy.yaml"
port=${ports[0]}
check "a chain that verifies, by name" says "Verify return code: 0 (ok)" 127.0.0.5 "$port" \
    -servername h5.fleet.test -verify_hostname h5.fleet.test
check "two intermediates below the policy CA" says "1 s:.*Fleet Issuing 5" 127.0.0.5 "$port" \
    -servername h5.fleet.test
check "the second is sent too" grep -q "2 s:.*Fleet Policy CA" "$work/client"
check "one intermediate" says_not " 2 s:" 127.0.0.8 "$port" -servername h8.fleet.test
check "by address" says "subject=CN = h9.fleet.test" 127.0.0.9 "$port" -noservername
check "addresses wrap around" says "subject=CN = h3.fleet.test" 127.0.1.147 "$port" -noservername
check "the name wins over the address" says "subject=CN = h17.fleet.test" 127.0.0.9 "$port" \
    -servername h17.fleet.test
check "an unknown name leaves it to the address" says "subject=CN = h9.fleet.test" 127.0.0.9 \
    "$port" -servername h401.fleet.test
check "::1 is the first" says "subject=CN = h1.fleet.test" "[::1]" "$port" -noservername
check "the second port serves too" says "Verify return code: 0 (ok)" 127.0.0.6 "${ports[1]}" \
    -servername h6.fleet.test
check "RSA leaves" says "Server public key is 2048 bit" 127.0.0.100 "$port" \
    -servername h100.fleet.test
check "TLS 1.2" says "New, TLSv1.2" 127.0.0.5 "$port" -servername h5.fleet.test -tls1_2
check "no certificate of the asked kind: alert 40" says "SSL alert number 40" 127.0.0.5 "$port" \
    -servername h5.fleet.test -sigalgs RSA-PSS+SHA256
check "distinct keys" differ "$(leaf_pin 127.0.0.5 "$port")" "$(leaf_pin 127.0.0.6 "$port")"
check "the inventory has a line each" same "$(wc -l <"$work/inventory")" 400
check "in zgrab2's form" same "$(sed -n 5p "$work/inventory")" \
    "127.0.0.5,h5.fleet.test,,${ports[1]}"
check "the policy leaves 1 in 50 unpinned" same \
    "$(grep -c '^      - h[0-9]*\.fleet\.test$' "$work/policy.yaml")" 392
if ip=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep -m1 '^[0-9.]*$'); then
    check "nothing but loopback" says "Connection refused\|errno=111\|closed\|reset\|no peer certificate" "$ip" "$port"
fi
first_pin=$(leaf_pin 127.0.0.5 "$port")
stop_fleet
check "counts at exit" python3 -c '
import json, sys
stats = json.load(open(sys.argv[1]))
assert stats["accepted"] >= stats["handshakes"] > 10 and stats["minted"] > 5, stats' "$work/stats"

start_fleet --port 0 --identities 400 --workers 2 --cache 1
check "the same seed, the same keys" same "$(leaf_pin 127.0.0.5 "${ports[0]}")" "$first_pin"
check "a cache of one" says "subject=CN = h9.fleet.test" 127.0.0.9 "${ports[0]}" -noservername
stop_fleet
start_fleet --port 0 --seed 2
check "another seed, other keys" differ "$(leaf_pin 127.0.0.5 "${ports[0]}")" "$first_pin"
stop_fleet

start_fleet --port 0 --dual --tls mixed
port=${ports[0]}
check "dual: ECDSA first" says "Server public key is 256 bit" 127.0.0.4 "$port"
check "dual: RSA by signature algorithms" says "Server public key is 2048 bit" 127.0.0.4 "$port" \
    -sigalgs RSA-PSS+SHA256
check "dual: RSA by cipher suites" says "Server public key is 2048 bit" 127.0.0.4 "$port" -tls1_2 \
    -cipher ECDHE-RSA-AES128-GCM-SHA256
check "mixed: 1.2 only" says "New, TLSv1.2" 127.0.0.6 "$port"
check "mixed: 1.3" says "New, TLSv1.3" 127.0.0.7 "$port"
stop_fleet

# --- the fast path ---
start_fleet --port 0 --fast --prewarm --identities 300 --rsa-percent 1 --tls mixed \
    --write-trust "$work/roots.pem" --stats
port=${ports[0]}
# Of all suites offered, BoringSSL would take another: this one tells the fast path.
check "fast: TLS 1.3" says "New, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256" 127.0.0.5 "$port" \
    -servername h5.fleet.test -verify_return_error -verify_hostname h5.fleet.test
check "fast: it verifies" grep -q "Verify return code: 0 (ok)" "$work/client"
check "fast: no session id" says "Cipher is TLS_AES_128_GCM_SHA256" 127.0.0.5 "$port" -no_middlebox
check "fast: another group is BoringSSL's" says "TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384" \
    127.0.0.5 "$port" -groups P-256 -verify_return_error
check "fast: TLS 1.2, cheap signature" says "New, TLSv1.2" 127.0.0.6 "$port" -verify_return_error
check "fast: another hash" says "Peer signing digest: SHA512" 127.0.0.6 "$port" -tls1_2 \
    -sigalgs ECDSA+SHA512 -verify_return_error
check "fast: RSA" says "TLS_AES_128_GCM_SHA256" 127.0.0.100 "$port" \
    -verify_return_error
check "fast: same leaf" same "$(leaf_pin 127.0.0.5 "$port")" "$first_pin"
stop_fleet
check "fast: all completed, all minted before" python3 -c '
import json, sys
stats = json.loads(open(sys.argv[1]).read().splitlines()[-1])
assert stats["accepted"] == stats["handshakes"] == 7 and stats["minted"] == 300, stats' "$work/stats"
start_fleet --port 0 --fast --padding 40000 --write-trust "$work/roots.pem"
check "fast: a flight of several records" says "TLS_AES_128_GCM_SHA256" 127.0.0.5 "${ports[0]}" \
    -verify_return_error
stop_fleet

# --- the demo ---
start_fleet --port 0 --scenario demo --write-trust "$work/roots.pem" \
    --write-inventory "$work/inventory" --write-policy "$work/policy.yaml"
port=${ports[0]}
"$fleetsim" --scenario demo --pins >"$work/pins"
"$fleetsim" --scenario demo --describe >"$work/table"
check "every host is in the inventory" same "$(grep -c demo.test, "$work/inventory")" \
    "$(grep -c 'demo\.test  *127' "$work/table")"
check "the leaf's pin is the one printed" same "$(leaf_pin 127.0.1.12 "$port")" \
    "$(awk -F'\t' '$2 == "leaf" && $3 == "leaf-pin.demo.test" {print $1}' "$work/pins")"
check "and the one in the policy" grep -q "$(leaf_pin 127.0.1.12 "$port")" "$work/policy.yaml"
check "match" says "Verify return code: 0 (ok)" 127.0.1.1 "$port" -servername match.demo.test
check "names work at any address" says "subject=CN = mismatch.demo.test" 127.0.0.1 "$port" \
    -servername mismatch.demo.test
check "off-path sends an extra certificate" says "2 s:.*Demo Issuing A" 127.0.1.4 "$port"
check "path-dependent sends both crosses" says "2 s:.*Demo Cross-Signed" 127.0.1.7 "$port"
check "path-dependent ends at Root B too" grep -q "i:.*Fleet Root B" "$work/client"
check "no-path" says "unable to get .*issuer certificate" 127.0.1.8 "$port"
check "expired-leaf" says "certificate has expired" 127.0.1.9 "$port"
check "incomplete" says "unable to get local issuer certificate" 127.0.1.10 "$port"
check "refused" says "errno=111" 127.0.1.11 \
    "$(awk -F, '$1 == "refused.demo.test" {print $2}' "$work/inventory")"
check "dual, RSA below another CA" says "1 s:.*Demo Issuing R" 127.0.1.14 "$port" \
    -sigalgs RSA-PSS+SHA256
check "wrong-name" says "subject=CN = elsewhere.demo.test" 127.0.1.15 "$port"
check "plain-http" says "wrong version number" 127.0.1.17 "$port"
check "alert" says "SSL alert number 40" 127.0.1.18 "$port"
check "bad-signature" says "bad signature" 127.0.1.19 "$port"
stop_fleet

# --- behaviours ---
names=(tls reset-on-accept close-on-accept silent slow-accept plain-http garbage broken-record
    alert-handshake-failure alert-unrecognized-name silent-after-hello drip pieces reset-mid-flight
    close-mid-flight small-records huge-chain many-certificates malformed-leaf unparsable-leaf
    malformed-intermediate bad-signature client-cert-required client-cert-optional old-server-hello
    old-version no-close)
options=()
for name in "${names[@]}"; do
    options+=(--behaviour "0=$name")
done
start_fleet "${options[@]}" --drip-ms 30 --slow-ms 700
declare -A at
for i in "${!names[@]}"; do
    at[${names[$i]}]=${ports[$i]}
done
check "--help names every behaviour tested here" same \
    "$("$fleetsim" --help | sed -n '/^Behaviours/,$p' | grep -c '^  ')" "${#names[@]}"
check "reset-on-accept" raw "${at[reset-on-accept]}" \
    'time.sleep(0.1); r = read_all(); assert r == (b"", "reset"), r'
check "close-on-accept" raw "${at[close-on-accept]}" 'r = read_all(); assert r == (b"", "closed"), r'
check "silent" raw "${at[silent]}" \
    's.settimeout(1); s.sendall(hello); r = read_all(); assert r == (b"", "silent"), r'
check "slow-accept" raw "${at[slow-accept]}" \
    't = time.time(); r = flight(); assert r == "done" and time.time() - t > 0.6, r'
check "plain-http" raw "${at[plain-http]}" \
    's.sendall(hello); r = read_all(); assert r[0].startswith(b"HTTP/1.1 400") and r[1] == "closed", r'
check "garbage" raw "${at[garbage]}" \
    's.sendall(hello); r = read_all(); assert len(r[0]) == 16 and r[0][0] == 0, r'
check "broken-record" raw "${at[broken-record]}" \
    's.sendall(hello); r = read_all(); assert r[0][0] == 22 and r[0][5] == 99, r'
check "alert-handshake-failure" raw "${at[alert-handshake-failure]}" \
    's.sendall(hello); r = read_all(); assert r == (bytes([21, 3, 3, 0, 2, 2, 40]), "closed"), r'
check "alert-unrecognized-name" raw "${at[alert-unrecognized-name]}" \
    's.sendall(hello); r = read_all(); assert r == (bytes([21, 3, 3, 0, 2, 2, 112]), "closed"), r'
check "silent-after-hello" raw "${at[silent-after-hello]}" \
    's.settimeout(1); s.sendall(hello); r = read_all()
assert r[1] == "silent" and r[0][0] == 22 and r[0][5] == 2 and len(r[0]) == 5 + r[0][3] * 256 + r[0][4], r'
check "drip" raw "${at[drip]}" \
    's.settimeout(1); s.sendall(hello); t = time.time(); got = [s.recv(100) for i in range(20)]
assert all(len(g) == 1 for g in got) and time.time() - t > 0.4, got'
check "pieces" raw "${at[pieces]}" 'r = flight(); assert r == "done", r'
check "reset-mid-flight" raw "${at[reset-mid-flight]}" \
    's.sendall(hello); r = read_all(); assert r[1] == "reset", r'
check "close-mid-flight" raw "${at[close-mid-flight]}" \
    's.sendall(hello); r = read_all(); assert r[1] == "closed" and len(r[0]) > 200, r'
check "small-records" raw "${at[small-records]}" 'r = flight(); assert r == "done", r'
check "huge-chain" raw "${at[huge-chain]}" \
    's.settimeout(1); s.sendall(hello); r = read_all(); assert len(r[0]) > 256 * 1024, len(r[0])'
check "many-certificates" says "^39 s:" 127.0.0.1 "${at[many-certificates]}"
# OpenSSL reads every certificate as it comes and stops at the broken one.
for name in malformed-leaf unparsable-leaf malformed-intermediate; do
    check "$name" says "asn1\|ASN1" 127.0.0.1 "${at[$name]}"
    check "$name, again" says "asn1\|ASN1" 127.0.0.1 "${at[$name]}" -tls1_2
done
check "bad-signature" says "bad signature" 127.0.0.1 "${at[bad-signature]}"
check "bad-signature, TLS 1.2" says "bad signature" 127.0.0.1 "${at[bad-signature]}" -tls1_2
check "client-cert-required" raw "${at[client-cert-required]}" \
    'r = flight(); assert r == "done", r
incoming.write(s.recv(1000))
try:
    tls.read(); assert False
except ssl.SSLError as error:
    assert "CERTIFICATE_REQUIRED" in str(error), error'
check "client-cert-optional" says "Verify return code: 0 (ok)" 127.0.0.1 \
    "${at[client-cert-optional]}"
check "old-server-hello" says "unsupported protocol" 127.0.0.1 "${at[old-server-hello]}" \
    -min_protocol TLSv1.2
check "old-version" says "SSL alert number 70" 127.0.0.1 "${at[old-version]}" -min_protocol TLSv1.2
check "no-close" raw "${at[no-close]}" \
    'r = flight(); assert r == "done", r; s.shutdown(socket.SHUT_WR); s.settimeout(1)
r = read_all(); assert r[1] == "silent", r'
check "tls, closes with the client" raw "${at[tls]}" \
    'r = flight(); assert r == "done", r; s.shutdown(socket.SHUT_WR); r = read_all(); assert r[1] == "closed", r'
check "still alive" kill -0 "$fleet_pid"
stop_fleet

check "wrong options are refused" bash -c "! '$fleetsim' --address 192.0.2.1 --port 0"
check "and so are unknown behaviours" bash -c "! '$fleetsim' --behaviour 0=nonsense"
bash -c "'$fleetsim' --port 0 --exit-with-parent >'$work/orphan' & echo \$! >'$work/pid'; sleep 2"
sleep 0.5
# Gone, or a zombie where nobody reaps orphans.
check "ends with its parent" bash -c "grep -q ready '$work/orphan' &&
    ! grep -q '^State:[^Z]*$' /proc/\$(cat '$work/pid')/status"

echo "integration fleetsim: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
