#!/bin/sh
# The peers' own environment, for `benchmarks/event_driven.py`. Needs python3 (3.11 or newer) with venv, and a C++ compiler for Brian2.
#   benchmarks/peers/setup.sh [DIRECTORY]        default: benchmarks/peers/.venv
set -eu
where=${1:-$(dirname "$0")/.venv}
python3 -m venv "$where"
# Brian2 2.9 does not import with NumPy 2.3 or newer.
"$where/bin/pip" install --quiet "brian2==2.9.0" "numpy<2.3" "setuptools<81" "nest-simulator==3.10.0"
"$where/bin/python" -c "import brian2, nest; print('Brian2', brian2.__version__, 'and NEST', nest.__version__)" | tail -n 1
