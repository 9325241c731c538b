# shellcheck shell=bash disable=SC2034
# The one list of the Debian packages that pinsweep needs, and their installation. Sourced.

# To build and run.
build_packages=(
    gcc g++ libc6-dev cmake ninja-build pkg-config
    android-libboringssl-dev liburing-dev libc-ares-dev libyaml-dev libidn2-dev libcjson-dev
    libexpat1-dev libxxhash-dev libsqlite3-dev ca-certificates
)
# To test, in addition.
test_packages=(
    libcunit1-dev libbenchmark-dev dnsmasq-base nginx openssl python3 python3-jsonschema
    python3-cryptography-vectors testssl.sh procps chromium fonts-dejavu-core
    gnutls-bin stunnel4 haproxy golang-go sqlite3 prometheus
)

say() {
    printf 'pinsweep: %s\n' "$*" >&2
}

# Runs a command with its output in LOG; on failure shows the end of it and fails.
quietly() {
    local log=$1
    shift
    if ! "$@" </dev/null >>"$log" 2>&1; then
        say "failed: $*"
        tail -n 40 -- "$log" >&2
        say "the whole output is in $log"
        return 1
    fi
}

# packages_ensure LOG PACKAGE...: installs what is missing, and says what. On a system without dpkg
# it only says what is needed: the build will tell what is missing.
packages_ensure() {
    local log=$1 missing=() package status as_root=()
    shift
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian system; these packages (or their like) are needed: $*"
        return 0
    fi
    for package; do
        status=$(dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null || true)
        [[ $'\n'$status$'\n' == *$'\n'installed$'\n'* ]] || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        return 0
    fi
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then
            say "missing Debian packages; as root: apt-get install ${missing[*]}"
            return 1
        fi
        as_root=(sudo)
    fi
    say "installing Debian packages: ${missing[*]}"
    # RUNLEVEL=1: packages of servers (nginx) must not start them.
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get
        -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}")
    # The lists may be absent or old: fetch them once, then it must work.
    if ! "${install[@]}" </dev/null >>"$log" 2>&1; then
        quietly "$log" "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update
        quietly "$log" "${install[@]}"
    fi
}

# build_tree DIR TARGETS CMAKE_OPTION...: configures and builds the tree that this file is part of.
# TARGETS is one word, "all" or names separated by spaces. Says what it does; its output goes to
# DIR/build.log.
build_tree() {
    local dir=$1 targets=$2 root generator=()
    shift 2
    root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
    mkdir -p -- "$dir"
    if command -v ninja >/dev/null; then
        generator=(-G Ninja)
    fi
    # A tree that was moved, or set up otherwise, is set up afresh.
    if [[ -f $dir/CMakeCache.txt ]] &&
        ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" -- "$dir/CMakeCache.txt"; then
        rm -rf -- "$dir/CMakeCache.txt" "$dir/CMakeFiles"
    fi
    : >"$dir/build.log"
    quietly "$dir/build.log" cmake -S "$root" -B "$dir" "${generator[@]}" "$@"
    # shellcheck disable=SC2086
    quietly "$dir/build.log" cmake --build "$dir" --parallel "$(nproc)" --target $targets
}
