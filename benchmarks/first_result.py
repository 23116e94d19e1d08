"""From a fresh process to the first result: three Hodgkin–Huxley cells, 100 ms.

Whole processes, in turn: `import jax` alone, `import ranvier` alone, the first
result cold, and the first result with the cache of a process before
(`RANVIER_CACHE`); beside them a bare scan of the same cells in JAX, cold and
with JAX's own cache, which no library upon JAX can beat. All find their modules
as bytecode, as after an installation (some environments set
PYTHONDONTWRITEBYTECODE, and each process then compiles its sources anew).
Seconds by the clock, and processor seconds, which tell more where others use
the machine too.

    python benchmarks/first_result.py
"""

import collections
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import arguments, save, take_turns

FIRST = """
import numpy as np
import ranvier as rv
run = rv.simulate(rv.neurons.HodgkinHuxley(), current=np.array([5.0, 10.0, 15.0]), duration=100.0, record={record})
assert len(run.spikes) > 5
"""
BARE = str(Path(__file__).parent / "limit" / "bare_scan.py")
JAX_CACHE = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
processor = collections.defaultdict(list)


def used() -> float:
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime


def process(name: str, arguments: list[str], bytecode: str, **settings: str):
    environment = {**os.environ, "RANVIER_CACHE": "0", "PYTHONPYCACHEPREFIX": bytecode, **settings}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def call() -> None:
        before = used()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
        processor[name].append(used() - before)

    return name, call


def main() -> None:
    options = arguments(__doc__)
    everything, potential = (["-c", FIRST.format(record=r)] for r in ("None", "rv.Record('hodgkin_huxley', 'V')"))
    with tempfile.TemporaryDirectory() as bytecode, tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as jax_own:
        contenders = dict(
            [
                process("import jax", ["-c", "import jax"], bytecode),
                process("import ranvier", ["-c", "import ranvier"], bytecode),
                process("bare scan in JAX", [BARE], bytecode),
                process("first result, everything recorded", everything, bytecode),
                process("first result, V recorded", potential, bytecode),
                process("bare scan in JAX, warm cache", [BARE], bytecode, JAX_COMPILATION_CACHE_DIR=jax_own, **JAX_CACHE),
                process("first result, everything recorded, warm cache", everything, bytecode, RANVIER_CACHE=ours),
                process("ranvier models (command line)", ["-m", "ranvier.cli", "models"], bytecode),
            ]
        )
        for call in contenders.values():
            call()
        processor.clear()
        seconds = take_turns(contenders, options.rounds)
        of_processor = {name: statistics.median(own) for name, own in processor.items()}
        save(__file__, options, {"seconds": seconds, "processor seconds": of_processor})


if __name__ == "__main__":
    main()
