"""What the benchmarks share: the machine's name, taking turns, and where numbers are kept."""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def machine() -> dict:
    """The machine, as far as it says."""
    name = platform.processor() or platform.machine()
    flags = ""
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), name)
        flags = next((line for line in lines if line.startswith("flags")), "")
    vectors = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return {"processor": name, "cores": os.cpu_count(), "vectors": vectors, "python": platform.python_version()}


def take_turns(contenders: dict, rounds: int) -> dict:
    """Calls each contender once a round, in turn, and gives the median of the seconds each returns (or takes)."""
    seconds = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            began = time.perf_counter()
            told = call()
            seconds[name].append(told if isinstance(told, float) else time.perf_counter() - began)
    return {name: {"median": statistics.median(s), "min": min(s), "max": max(s)} for name, s in seconds.items()}


def arguments(description: str, more: Callable[[argparse.ArgumentParser], object] = lambda parser: None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=7, help="how often each contender runs (default 7)")
    parser.add_argument("--machine", default=None, help="a name for the machine, kept with the numbers")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    more(parser)
    return parser.parse_args()


def save(script: str, options: argparse.Namespace, result: dict) -> None:
    """Keeps the numbers in results/, with the machine and the versions."""
    from ranvier.kernels import native_available
    from ranvier.run import versions

    found = {**machine(), **({"name": options.machine} if options.machine else {})}
    text = json.dumps({"machine": found, "versions": versions(), "native_kernels": native_available(), **result}, indent=1)
    print(text)
    if not options.quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{Path(script).stem}.json").write_text(text + "\n")
