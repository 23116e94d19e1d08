"""From a fresh process to the first result: three Hodgkin–Huxley cells, 100 ms.

Whole processes, in turn: `import jax` alone, `import ranvier` alone, the first
result cold, and the first result with the cache of a process before
(`RANVIER_CACHE`). Seconds by the clock, and processor seconds, which tell more
where others use the machine too.

    python benchmarks/first_result.py
"""

import collections
import os
import resource
import statistics
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
processor = collections.defaultdict(list)


def used() -> float:
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime


def process(name: str, arguments: list[str], cache: str = "0"):
    def call() -> None:
        before = used()
        environment = {**os.environ, "RANVIER_CACHE": cache}
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
        processor[name].append(used() - before)

    return name, call


def main() -> None:
    options = arguments(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        contenders = dict(
            [
                process("import jax", ["-c", "import jax"]),
                process("import ranvier", ["-c", "import ranvier"]),
                process("first result, everything recorded", ["-c", FIRST.format(record="None")]),
                process("first result, V recorded", ["-c", FIRST.format(record="rv.Record('hodgkin_huxley', 'V')")]),
                process("first result, everything recorded, warm cache", ["-c", FIRST.format(record="None")], folder),
                process("ranvier models (command line)", ["-m", "ranvier.cli", "models"]),
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
