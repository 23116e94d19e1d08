"""Runs that are killed (kill −9) at random moments, again and again, and resumed: is the end the unbroken run, bit for bit?

python benchmarks/killed.py --times 300
"""

import argparse
import multiprocessing
import shutil
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

    sink.VISIBLE_EVERY, sink.SHARE = 0.0, 1e9
    slowly = lambda progress: time.sleep(0.002)
    connection.send("ready")
    try:
        rv.resume(store, progress=slowly)
    except StoreError:
        record = [rv.Record("cells", "V", every=0.5), rv.Record("cells", "V", reduce="mean", every_steps=3)]
        rv.simulate(network(), store=store, overwrite=True, record=record, checkpoint_every=2.0, progress=slowly, **HOW)
    connection.send("done")


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
    context = multiprocessing.get_context("spawn")
    killed = runs = failures = 0
    try:
        while killed < times:
            store = folder / f"{runs}.zarr"
            finished = False
            while not finished and killed < times:
                mine, theirs = context.Pipe()
                process = context.Process(target=work, args=(str(store), theirs))
                process.start()
                mine.recv()
                finished = mine.poll(random.uniform(0, 3.0))
                if not finished:
                    process.kill()
                    killed += 1
                process.join()
                if store.exists() and (store / "records" / "cells").exists():
                    try:
                        V = xarray.open_zarr(store, group="records/cells", chunks=None).V.values
                        failures += not np.array_equal(V, unbroken["cells"].V.values[: len(V)])
                    except KeyError:  # killed while the store was made
                        pass
            try:
                failures += not same(rv.resume(store), unbroken)
            except StoreError as error:
                if "no checkpoint" not in str(error) and "There is no store" not in str(error):
                    raise
            runs += 1
            shutil.rmtree(store, ignore_errors=True)
    finally:
        shutil.rmtree(folder)
    save(__file__, options, {"killed": killed, "runs": runs, "failures": failures})
    if failures:
        raise SystemExit(f"{failures} runs differ from the unbroken one.")


if __name__ == "__main__":
    main()
