"""From a fresh process to the first result: three Hodgkin–Huxley cells, 100 ms.

Whole processes, in turn: `import jax` alone, `import ranvier` alone, the first
result cold, and the first result with a warm compilation cache on disk, as the
command line has it.

    python benchmarks/first_result.py
"""

import subprocess
import sys
import tempfile

from harness import arguments, save, take_turns

FIRST = """
import numpy as np
import ranvier as rv
run = rv.simulate(rv.neurons.HodgkinHuxley(), current=np.array([5.0, 10.0, 15.0]), duration=100.0, record={record})
assert len(run.spikes) > 5
"""
CACHE = """
import jax
jax.config.update("jax_compilation_cache_dir", {folder!r})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
"""


def process(code: str):
    return lambda: subprocess.run([sys.executable, "-c", code], check=True) and None


def main() -> None:
    options = arguments(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        cache = CACHE.format(folder=folder)
        contenders = {
            "import jax": process("import jax"),
            "import ranvier": process("import ranvier"),
            "first result, everything recorded": process(FIRST.format(record="None")),
            "first result, V recorded": process(FIRST.format(record="rv.Record('hodgkin_huxley', 'V')")),
            "first result, everything recorded, warm cache": process(cache + FIRST.format(record="None")),
            "ranvier models (command line)": lambda: (
                subprocess.run([sys.executable, "-m", "ranvier.cli", "models"], check=True, stdout=subprocess.DEVNULL) and None
            ),
        }
        for call in contenders.values():
            call()
        save(__file__, options, {"seconds": take_turns(contenders, options.rounds)})


if __name__ == "__main__":
    main()
