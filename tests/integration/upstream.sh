#!/bin/bash
# -DBORINGSSL_ROOT: everything that touches the library, against the upstream BoringSSL whose tree or
# install PINSWEEP_BORINGSSL_ROOT names (README.md, "The house", says how to build one). Skipped
# without it.
# limit: 1200
set -euo pipefail
here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
root=$(cd -- "$here/../.." && pwd -P)
# shellcheck source=../../cli/packages.sh
source "$root/cli/packages.sh"

if [[ -z ${PINSWEEP_BORINGSSL_ROOT:-} ]]; then
    echo "skipped  integration upstream (PINSWEEP_BORINGSSL_ROOT names no BoringSSL)"
    echo "integration upstream: 0 passed, 0 failed, 1 skipped"
    exit 0
fi

tree=$root/build-upstream passed=0 failed=0 programs=()
for source in "$root"/engine/{codec,trust,net,sweep}/*.c; do
    name=test_$(basename -- "$source" .c)
    [[ ! -f $root/tests/unit/$name.c ]] || programs+=("$name")
done
build_tree "$tree" "pinsweep fleetsim ${programs[*]}" -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_C_FLAGS_DEBUG="-g -O1" -DPINSWEEP_TESTS=ON -DPINSWEEP_STRICT=ON \
    -DPINSWEEP_SANITIZE=address,undefined "-DBORINGSSL_ROOT=$PINSWEEP_BORINGSSL_ROOT"

run() {
    if "$@"; then
        passed=$((passed + 1))
    else
        echo "FAILED  upstream: $*"
        failed=$((failed + 1))
    fi
}

for name in "${programs[@]}"; do
    run timeout 300 "$tree/unit/$name"
done
export PINSWEEP=$tree/pinsweep FLEETSIM=$tree/fleetsim PYTHONPATH=$here/../support
run python3 -B "$here/upstream.py"
run python3 -B "$here/depths.py"
echo "integration upstream: $passed passed, $failed failed"
((failed == 0))
