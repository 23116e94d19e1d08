#!/bin/sh
# The native loops under the address and undefined-behaviour sanitizers. Needs cmake and a C++ compiler.
#   tests/kernels/sanitize.sh [BUILD_DIRECTORY]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$(mktemp -d)}
cmake -S "$root" -B "$build" -DRANVIER_SANITIZE=ON >"$build.log" || { cat "$build.log"; exit 1; }
cmake --build "$build" --parallel 2
"$build/check_loops"
