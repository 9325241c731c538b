#!/bin/bash
# Servers that misbehave in every way, among good ones: each ends in its own status within its
# deadline, and no other target suffers. See hostile.py.
# limit: 400
set -euo pipefail
exec /usr/bin/python3 "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/hostile.py"
