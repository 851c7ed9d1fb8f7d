#!/bin/sh
# Before anything is downloaded: can this machine make an environment, and has it room and a network?
set -eu
venv=$1
python=${PYTHON:-python3}

fail() { printf 'make: %s\n' "$*" >&2; exit 2; }

command -v "$python" >/dev/null 2>&1 || fail "$python is missing; run: sudo apt-get install python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old, 3.11 or newer is needed; run: make PYTHON=python3.11 demo"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "this Python cannot make environments; run: sudo apt-get install python3-venv"
touch . 2>/dev/null && [ -w . ] || fail "$(pwd) cannot be written to; clone into a folder of your own"

free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
if [ ! -e "$venv/bin/torchrun" ]; then
    [ "$free" -ge 9 ] || fail "$free GB are free here and 9 are needed (7 stay in use, mostly PyTorch); free some room"
    echo "This installs into $venv: about 3 GB to download, 7 GB on disk ($free GB are free here)."
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip --disable-pip-version-check --retries 0 --timeout 20 download --quiet --no-deps \
    --dest "$venv/.reach" packaging >/dev/null 2>"$venv/.reach.log" ||
    fail "no package index can be reached ($(tail -n 1 "$venv/.reach.log")); check the network, or pip's proxy and index settings"
rm -rf "$venv/.reach" "$venv/.reach.log"
