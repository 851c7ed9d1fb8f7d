#!/bin/sh
# The wheel, alone in an empty environment: only edfstat is in it, and the analysis needs no torch.
# Usage: check_wheel.sh PYTHON  (of the development environment)
set -eu
python=$1
root=$(cd "$(dirname "$0")/.." && pwd)
python=$(cd "$root" && cd "$(dirname "$python")" && pwd)/$(basename "$python")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
"$python" -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir "$work/dist" .
"$python" - "$work"/dist/*.whl <<'EOF'
import sys, zipfile
names = {name.split("/")[0] for name in zipfile.ZipFile(sys.argv[1]).namelist()}
packages = {name for name in names if not name.endswith(".dist-info")}
sys.exit(0 if packages == {"edfstat"} else f"the wheel holds {sorted(packages)}, not edfstat alone")
EOF
"$python" -m venv "$work/env"
"$work/env/bin/python" -m pip --disable-pip-version-check install --quiet --constraint constraints.txt "$work"/dist/*.whl
cp .ci/wheel_analysis.py "$work/"
cd "$work"
"$work/env/bin/python" wheel_analysis.py
"$work/env/bin/edfstat" compare example --resamples 99
"$work/env/bin/edfstat" report example -o report.html
[ -s report.html ]
echo "the wheel holds edfstat alone, and its analysis runs without torch"
