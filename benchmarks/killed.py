"""Runs that are killed (kill −9) at random moments, again and again, and resumed: is the end the unbroken run, bit for bit?

Most are killed while they compute and write, one in eight already while it starts.

python benchmarks/killed.py --times 300
"""

import argparse
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
import xarray
from harness import save

import ranvier as rv
from ranvier.errors import StoreError

HOW = {"duration": 400.0, "dt": 0.1, "seed": 3, "integrator": rv.ExponentialEuler()}


def network() -> rv.Network:
    lif = rv.neurons.LeakyIntegrateAndFire(capacitance=200, leak=10, rest=-60, threshold=-50, reset=-60, refractory=2.0)
    cells = rv.Population(60, lif, initial={"V": rv.normal(-55, 5)}, current=rv.uniform(150, 900), name="cells")
    synapse = rv.synapses.ExponentialConductance(tau=5, reversal=-70)
    return rv.Network(cells, rv.Projection(cells, cells, synapse, rv.connect.pairwise_bernoulli(0.2), weight=0.3, delay=1.5))


def work(store: str, connection) -> None:
    """Starts the run, or goes on with it; killed from outside."""
    from ranvier.store import sink

    jax.config.update("jax_compilation_cache_dir", str(Path(store).parent / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    sink.VISIBLE_EVERY, sink.SHARE = 0.0, 1e9
    connection.send("ready")
    steps = []

    def slowly(progress) -> None:
        if not steps:
            connection.send("computes")
        steps.append(progress.time)
        time.sleep(0.002)

    try:
        rv.resume(store, progress=slowly)
    except StoreError as error:
        if not made_nothing(error):
            raise
        record = [rv.Record("cells", "V", every=0.5), rv.Record("cells", "V", reduce="mean", every_steps=3)]
        rv.simulate(network(), store=store, overwrite=True, record=record, checkpoint_every=2.0, progress=slowly, **HOW)
    connection.send("done")


def made_nothing(error: StoreError) -> bool:
    """Whether a store is not there, because its process was killed before it could make it."""
    return "There is no store" in str(error) or "holds nothing" in str(error)


def ends_before(connection, seconds: float, wait: bool) -> bool:
    """Whether the run ends before it is killed.

    Args:
        seconds: how long it is left alone.
        wait: from when it computes, instead of from its start.
    """
    until = None if wait else time.monotonic() + seconds
    while until is None or connection.poll(max(0.0, until - time.monotonic())):
        try:
            said = connection.recv()
        except EOFError:
            raise RuntimeError("a run failed that nobody killed") from None
        if said == "done":
            return True
        if said == "computes" and wait:
            until = time.monotonic() + seconds
    return False


def same(one: rv.Result, other: rv.Result) -> bool:
    """Whether spikes, records and states are equal bit for bit."""
    pairs = [(one.spikes.steps, other.spikes.steps), (one.spikes.neurons, other.spikes.neurons)]
    pairs += [(one["cells"][name].values, other["cells"][name].values) for name in ("V", "V.mean")]
    pairs += zip(jax.tree.leaves(one.state), jax.tree.leaves(other.state), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=300, help="how often a process is killed (default 300)")
    parser.add_argument("--machine", default=None, help="a name for the machine, kept with the numbers")
    parser.add_argument("--quick", action="store_true", help="a few, to see that it works")
    options = parser.parse_args()
    times = 4 if options.quick else options.times
    record = [rv.Record("cells", "V", every=0.5), rv.Record("cells", "V", reduce="mean", every_steps=3)]
    unbroken = rv.simulate(network(), record=record, **HOW)
    random = np.random.default_rng()
    folder = Path(tempfile.mkdtemp(prefix="killed-", dir="."))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ranvier"])
    killed = starting = runs = failures = 0
    enough = []
    signal.signal(signal.SIGINT, lambda *_: enough.append(True))  # the numbers until then are kept
    try:
        while killed < times and not enough:
            store = folder / f"{runs}.zarr"
            finished = False
            while not finished and killed < times and not enough:
                mine, theirs = context.Pipe()
                process = context.Process(target=work, args=(str(store), theirs))
                process.start()
                theirs.close()
                mine.recv()
                early = random.random() < 1 / 8
                finished = ends_before(mine, random.uniform(0, 1.5), wait=not early)
                if not finished:
                    process.kill()
                    killed += 1
                    starting += early
                    print(f"\r{killed} killed", end="", file=sys.stderr, flush=True)
                process.join()
                mine.close()
                if store.exists() and (store / "records" / "cells").exists():
                    try:
                        V = xarray.open_zarr(store, group="records/cells", chunks=None).V.values
                        failures += not np.array_equal(V, unbroken["cells"].V.values[: len(V)])
                    except KeyError:  # killed while the store was made
                        pass
            try:
                failures += not same(rv.resume(store), unbroken)
            except StoreError as error:
                if not made_nothing(error):
                    raise
            runs += 1
            shutil.rmtree(store, ignore_errors=True)
    finally:
        shutil.rmtree(folder)
    save(__file__, options, {"killed": killed, "of_them_while_starting": starting, "runs": runs, "failures": failures})
    if failures:
        raise SystemExit(f"{failures} runs differ from the unbroken one.")


if __name__ == "__main__":
    main()
