"""What runs in a process of its own, in which the processor counts as several devices: `python program.py NAME`.

It prints one line of JSON for the test that started it.
"""

import json
import sys
import tempfile
import warnings
from pathlib import Path

import jax
import numpy as np

DEVICES = 8
SMALL = {
    "cuba": {"scale": 0.25},
    "coba": {"scale": 0.25},
    "cobahh": {"scale": 0.05},
    "brunel": {"scale": 0.05},
    "microcircuit": {"scale": 0.02},
    "vogels_abbott": {"scale": 0.1},
    "clustered": {"scale": 0.2},
    "grid_cells": {"side": 16},
}


def simulate(network, devices, **how):
    import ranvier as rv

    return rv.simulate(network, devices=devices, **how)


def differences(one, other, state_within=0.0):
    """What differs between two results, in words."""
    found = []
    if not (np.array_equal(one.spikes.steps, other.spikes.steps) and np.array_equal(one.spikes.neurons, other.spikes.neurons)):
        found.append(f"spikes: {len(one.spikes)} and {len(other.spikes)}")
    ordered = (sorted(x.records, key=lambda r: (r.part, r.variable, len(r.times), r.values.shape)) for x in (one, other))
    for mine, theirs in zip(*ordered, strict=True):
        if not np.allclose(mine.values, theirs.values, rtol=0, atol=state_within, equal_nan=True):
            found.append(f"record {mine.part} {mine.variable}")
        if not np.array_equal(mine.neurons, theirs.neurons):
            found.append(f"what is recorded of {mine.part}")
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_flatten_with_path(one.state)[0]]
    leaves = [jax.tree.leaves(x.state) for x in (one, other)]
    for path, mine, theirs in zip(paths, *leaves, strict=True):
        if np.shape(mine) != np.shape(theirs) or not np.allclose(mine, theirs, rtol=0, atol=state_within, equal_nan=True):
            found.append(path)
    return found


def models():
    """Every ready-made network, on one device and on three, which divide no population evenly."""
    from ranvier.models.catalogue import CATALOGUE

    said = {}
    for model in CATALOGUE:
        network = model.make(**SMALL.get(model.name, {}))
        plastic = {"learns": model.make(**model.switches["plastic"])} if "plastic" in model.switches else {}
        for name, net in {"": network, **plastic}.items():
            how = {
                "duration": 10.0,
                "dt": model.dt,
                "integrator": model.integrator,
                "precision": model.precision,
                "record": model.record(net),
            }
            within = 1e-11 if model.name in ("antennal_lobe", "stellate_cells") else 0.0
            said[f"{model.name} {name}".strip()] = differences(simulate(net, None, **how), simulate(net, 3, **how), within)
    return said


def counts():
    """One network with many kinds of parts on 1, 2, 4 and 8 devices, and on from one number to another."""
    network, how = everything()
    whole = simulate(network, None, duration=40.0, **how)
    edges = next(r.values for r in whole.records if r.variable == "edges")
    said = {"spikes": len(whole.spikes), "edges": [float(edges[0, 0]), float(edges.max())]}
    # XLA's own exponential rounds by where in a vector a number stands: the last bits of what it is in.
    for n in (2, 8):
        said[f"on {n}"] = differences(whole, simulate(network, n, duration=40.0, **how), 1e-9)
    half = simulate(network, 4, duration=20.0, **how)
    said["stopped on 4, gone on with on 1"] = differences(
        whole_from(whole, 20.0), simulate(network, None, duration=20.0, initial=half, **how), 1e-9
    )
    half = simulate(network, None, duration=20.0, **how)
    said["stopped on 1, gone on with on 2"] = differences(
        whole_from(whole, 20.0), simulate(network, 2, duration=20.0, initial=half, **how), 1e-9
    )
    return said


def drawn_at_spikes():
    """Edges that are not stored, of each kind of targets and weights, on 1, 3 and 8 devices, and stored on one."""
    import ranvier as rv

    def network(stored):
        lif, kept = rv.neurons.LeakyIntegrateAndFire, {"by": "source", "stored": stored}
        exc = rv.Population(37, lif(), current=rv.uniform(300.0, 420.0), initial={"V": rv.uniform(-70.0, -55.0)}, name="exc")
        inh = rv.Population(11, lif(), current=300.0, name="inh")
        current = rv.synapses.ExponentialCurrent
        return rv.Network(
            *(exc, inh),
            rv.Projection(
                *(exc, [exc, inh], current(tau=5.0), rv.connect.pairwise_bernoulli(0.3, autapses=False, **kept)),
                weight=rv.normal(30.0, 5.0),
                delay=1.5,
                name="exc_out",
            ),
            rv.Projection(
                inh,
                exc,
                current(tau=8.0),
                rv.connect.fixed_out_degree(9, **kept),
                weight=rv.uniform(-80.0, -40.0),
                delay=rv.uniform(0.3, 0.9),
                name="inh_out",
            ),
            rv.Projection(
                *(exc, inh, current(tau=3.0), rv.connect.all_to_all(**kept)),
                weight=4.0,
                delay=2.0,
                short_term_plasticity=rv.synapses.TsodyksMarkram(),
                name="depressing",
            ),
        )

    how = {"duration": 40.0, "dt": 0.1, "seed": 5}
    whole, kept = simulate(network(False), None, **how), simulate(network(True), None, **how)
    said = {"spikes": len(whole.spikes), "stored": int(np.sum(whole.spikes.neurons != kept.spikes.neurons))}
    for n in (3, 8):
        said[f"on {n}"] = differences(whole, simulate(network(False), n, **how), 1e-9)
    return said


def in_bits():
    """Flags told in bits, as accelerators do it: at every step, and all of some steps at once."""
    import ranvier as rv
    from ranvier.devices import shards

    shards.packs = lambda mesh: True
    said = {}
    for name, network in (("some steps", rv.models.brunel(scale=0.02)), ("every step", rv.models.coba(scale=0.1))):
        how = {"duration": 20.0, "dt": 0.1, "seed": 1, "integrator": rv.ExponentialEuler() if name == "every step" else None}
        whole, sim = simulate(network, None, **how), rv.prepare(network, devices=3, dt=0.1, seed=1, integrator=how["integrator"])
        said[name] = differences(whole, sim.run(20.0), 1e-9)
        said[f"{name}: told"] = next(line.strip() for line in str(sim.explain()).splitlines() if "told to all" in line)
        said[f"{name}: spikes"] = len(whole.spikes)
    return said


def exchanges():
    """What native kernels tell each other beside XLA's collectives: of several steps, at every step, of synapses that learn, of nothing."""
    import ranvier as rv
    from ranvier.devices import shards

    lif = rv.neurons.LeakyIntegrateAndFire()
    cells = rv.Population(21, lif, current=rv.uniform(380.0, 420.0), name="cells")
    few = rv.Population(11, lif, current=390.0, name="few")
    current, rule = rv.synapses.ExponentialCurrent(tau=5.0), rv.connect.fixed_in_degree(5)
    learns = rv.Projection(cells, few, current, rule, weight=30.0, delay=0.5, plasticity=rv.plasticity.PairSTDP(high=60.0), name="learns")
    networks = {
        "some steps": rv.models.brunel(scale=0.02),
        "every step": rv.models.coba(scale=0.1),
        "learning": rv.Network(cells, few, learns),
        "nothing": rv.Network(cells, few),
    }
    by_kernels, said = shards.circle_of, {}
    for name, network in networks.items():
        how = {"dt": 0.1, "seed": 1, "integrator": rv.ExponentialEuler() if name == "every step" else None}
        record = [rv.Record(next(iter(network.populations)), "V", neurons=[0, 7, 20], every=0.7)]
        runs = []
        for circle in (by_kernels, lambda devices: 0):
            shards.circle_of = circle
            sim = rv.prepare(network, devices=5, record=record, **how)
            runs.append((sim.run(30.0), sim.explain()))
        (native, explained), (by_xla, _) = runs
        said[name] = differences(by_xla, native) + differences(simulate(network, None, duration=30.0, record=record, **how), native, 1e-9)
        said[f"{name}: spikes"] = len(native.spikes)
        said[f"{name}: told"] = next(line.strip() for line in str(explained).splitlines() if "told" in line)
        said[f"{name}: why not native"] = explained.why_not_native
    return said


def whole_from(result, start):
    """The end of a result."""
    import copy

    import ranvier as rv

    step = round(start / result.spikes.dt)
    late = result.spikes.steps >= step
    cut = copy.copy(result)
    times = {
        "n": result.spikes.n,
        "dt": result.spikes.dt,
        "start": start,
        "stop": result.spikes.stop,
        "populations": result.spikes.populations,
    }
    cut.spikes = rv.result.Spikes(result.spikes.steps[late], result.spikes.neurons[late], **times)
    cut.records = []
    for record in result.records:
        new = copy.copy(record)
        rows = record.times >= start - 1e-9
        object.__setattr__(new, "values", record.values[rows])
        cut.records.append(new)
    return cut


def everything():
    """A network in which everything that can be cut is cut, in sizes that eight does not divide."""
    import jax.numpy as jnp

    import ranvier as rv

    class Restless(rv.plasticity.StructuralRule):
        """Many synapses come from whoever fired lately, others go."""

        def source_traces(self):
            return {"rate": rv.plasticity.Trace(20.0)}

        def target_traces(self):
            return {"rate": rv.plasticity.Trace(20.0)}

        def target_state(self):
            return {"credit": 1.0}

        def rewire(self, synapses, source, target, draws, every):
            pre, post = draws.integers(synapses.sources, size=9 * synapses.targets), np.repeat(np.arange(synapses.targets), 9)
            come = source["rate"][pre] > 0
            credit = {"credit": target["credit"] + target["rate"]}
            return rv.plasticity.Rewiring(draws.random(len(synapses)) < 0.9, pre[come], post[come], incoming=credit)

    lif = rv.neurons.LeakyIntegrateAndFire
    exc = rv.Population(
        37, lif(capacitance=rv.normal(200.0, 20.0)), current=rv.uniform(200.0, 420.0), initial={"V": rv.uniform(-70.0, -55.0)}, name="exc"
    )
    wave = jnp.linspace(0.0, 300.0, 11)
    inh = rv.Population(11, lif(), current=lambda t: wave * (1 + 0.1 * jnp.sin(t)), name="inh")
    few = rv.Population(3, rv.neurons.Izhikevich2003(), current=10.0, name="few")
    noisy = rv.Population(9, rv.neurons.LeakyIntegrateAndFire(), current=rv.stimuli.WhiteNoise(300.0, 400.0), name="noisy")
    poisson = rv.Population(20, rv.neurons.PoissonSource(rate=rv.uniform(20.0, 200.0)), name="poisson")
    rhythm = jnp.linspace(10.0, 150.0, 7)
    varying = rv.Population(7, rv.neurons.InhomogeneousPoissonSource(rate=lambda t: rhythm * (1 + jnp.sin(t))), name="varying")
    given = rv.Population(5, rv.neurons.SpikeTimes(times=[1.0, 2.0, 2.0, 30.0], neurons=[0, 4, 1, 3]), name="given")
    cells = rv.Population(6, rv.neurons.HodgkinHuxley(), current=rv.uniform(0.0, 15.0), name="cells")
    current = rv.synapses.ExponentialCurrent
    bernoulli = rv.connect.pairwise_bernoulli
    depressing, release = rv.synapses.TsodyksMarkram(), rv.synapses.VesicleRelease(sites=3, probability=0.6)
    network = rv.Network(
        *(exc, inh, few, noisy, poisson, varying, given, cells),
        rv.Projection(
            exc, [exc, inh], current(tau=5.0), bernoulli(0.3), weight=rv.normal(30.0, 5.0), delay=rv.uniform(0.5, 3.0), name="exc_out"
        ),
        rv.Projection(inh, exc, current(tau=8.0), rv.connect.fixed_in_degree(4), weight=-60.0, delay=1.0, release=release, name="inh_out"),
        rv.Projection(
            poisson, exc, current(tau=3.0), bernoulli(0.5), weight=60.0, delay=0.4, short_term_plasticity=depressing, name="depressing"
        ),
        rv.Projection(
            *(poisson, noisy, current(tau=3.0), bernoulli(0.4)),
            weight=20.0,
            delay=0.7,
            plasticity=rv.plasticity.PairSTDP(high=60.0),
            name="learns",
        ),
        rv.Projection(given, few, rv.synapses.Delta(), rv.connect.all_to_all(), weight=2.0, delay=0.2, name="kick"),
        rv.Projection(exc, noisy, current(tau=4.0), bernoulli(0.3), weight=15.0, delay=0.3, site="edge", name="at_edges"),
        rv.Projection(cells, cells, rv.synapses.GapJunction(), bernoulli(0.5), weight=0.05, name="gap"),
        rv.Projection(cells, cells, rv.synapses.GapJunction(), bernoulli(0.7), weight=0.02, delay=rv.uniform(0.0, 1.0), name="late_gap"),
        rv.Projection(*([exc, inh], [noisy, inh], current(tau=6.0), bernoulli(0.2)), weight=4.0, delay=rv.uniform(0.3, 2.0), name="two"),
        rv.Projection(
            *(inh, noisy, current(tau=9.0), bernoulli(0.3)),
            weight=-9.0,
            delay=0.8,
            short_term_plasticity=depressing,
            short_term_site="edge",
            name="depressing_edges",
        ),
        rv.Projection(
            *(exc, noisy, current(tau=7.0), bernoulli(0.1)),
            weight=rv.normal(5.0, 1.0, low=0.0),
            delay=rv.uniform(0.5, 2.0),
            plasticity=rv.plasticity.PairSTDP(high=60.0),
            structure=Restless(every=5.0),
            name="grown",
        ),
        rv.PoissonInput([exc, noisy], current(tau=5.0), rate=800.0, weight=25.0, name="background"),
        rv.PoissonInput(exc, current(tau=2.0), rate=lambda t: 300.0 + 200.0 * jnp.sin(t), correlation=0.3, weight=20.0, name="waves"),
        rv.PoissonInput(inh, current(tau=2.0), rate=lambda t: wave * (1 + 0.5 * jnp.cos(t)), weight=40.0, name="each_its_own"),
    )
    record = [
        rv.Record("exc", ["V"], every=1.0),
        rv.Record("exc", ["last_spike", "synaptic_current"], neurons=[0, 5, 36, 20], every=0.5),
        rv.Record("noisy", "V", reduce="mean", every=2.0),
        rv.Record("learns", "weight", neurons=[0, 3, 40, 17], every=5.0),
        rv.Record("learns", lambda own: own["weight"].max() + own["current"], every=5.0, name="drive"),
        rv.Record("given", "last_spike", every=10.0),
        rv.Record("gap", "current", every=4.0),
        rv.Record("late_gap", "current", neurons=[0, 5], every=4.0),
        rv.Record("grown", ["edges", "mean_weight", "outgoing rate", "incoming credit"], every=2.0),
        rv.Record("grown", "incoming credit", reduce="mean", every=5.0),
    ]
    return network, {"dt": 0.05, "record": record, "seed": 3}


def stores():
    """A run into a store on four devices, gone on with on one, then on two, against one that never stopped."""
    import ranvier as rv

    network = rv.models.brunel(scale=0.03)
    how = {"dt": 0.1, "seed": 3, "record": [rv.Record("exc", "V", neurons=[0, 7, 250], every=0.5), rv.Record("inh", "V", reduce="mean")]}
    folder = Path(tempfile.mkdtemp()) / "run.zarr"
    simulate(network, 4, duration=10.0, store=folder, checkpoint_every=5.0, **how)
    rv.resume(folder, duration=20.0)
    resumed = rv.resume(folder, duration=30.0, devices=2)
    whole = simulate(network, None, duration=30.0, **how)
    return {"gone on with": differences(whole, resumed, 1e-9), "bits": bool(resumed.info["bit_identical"])}


def others():
    """New numbers without compiling, a stop condition, a run that goes wrong, an explanation."""
    import ranvier as rv
    from ranvier.network import loop

    network = rv.models.brunel(scale=0.02)
    how = {"dt": 0.1, "seed": 1}
    sim, alone = rv.prepare(network, devices=4, **how), rv.prepare(network, **how)
    sim.run(5.0)
    before = loop.compilations
    changed = {"parameters": {"excitation.weight": 0.2, "exc.capacitance": 240.0}, "seed": 7}
    run = sim.run(30.0, **changed)
    said = {"compiled again": loop.compilations - before, "new numbers": differences(alone.run(30.0, **changed), run)}
    until = lambda now: now.rates["exc"] > 1.0
    said["until"] = differences(sim.run(100.0, until=until), alone.run(100.0, until=until))
    wrong = rv.Population(10, rv.neurons.HodgkinHuxley(), current=[0.0] * 7 + [1e6] + [0.0] * 2, name="cells")
    errors = []
    for devices in (None, 4):
        try:
            rv.simulate(wrong, duration=10.0, dt=0.1, devices=devices)
        except rv.SimulationDiverged as error:
            errors.append(str(error))
    said["diverged"] = errors
    said["explained"] = str(sim.explain())
    cells = rv.Population(8, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    often = rv.PoissonInput(cells, rv.synapses.ExponentialCurrent(tau=5.0), rate=lambda t: 1e6 + t, weight=1.0, name="often")
    refused = []
    for devices in (None, 4):
        try:
            rv.simulate(rv.Network(cells, often), duration=5.0, dt=0.1, devices=devices)
        except rv.ParameterError as error:
            refused.append(str(error))
    said["too many spikes"] = refused
    try:
        rv.simulate(rv.Population(3, rv.neurons.HodgkinHuxley()), duration=1.0, devices=4)
    except rv.ParameterError as error:
        said["too few neurons"] = str(error)
    for what, function in (
        ("function", lambda: sim.function(steps=3)),
        ("list", lambda: rv.prepare(network, devices=jax.devices()[:2] * 2)),
    ):
        try:
            function()
        except rv.RanvierError as error:
            said[what] = str(error)
    return said


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", DEVICES)
    warnings.simplefilter("ignore")
    print(json.dumps(globals()[sys.argv[1]]()))
