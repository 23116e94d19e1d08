"""Neurapse's neurons and networks, against what its code computed; the rules that it follows are in `neurapse.py`."""

import numpy as np
import pytest

import ranvier as rv
from tests.reproduces import record_reproduction

from .neurapse import DT, LIF, TAU, AdEx, Izhikevich, Scheme, hodgkin_huxley, kernel

SOURCE = "Neurapse (github.com/udion/Neurapse), its code run again"


@pytest.fixture(scope="module")
def reference(published):
    return published("neurapse")


def samples(train):
    """Where Neurapse marks the spikes of a train: the sample after the step in which they are detected."""
    return np.rint(train / DT).astype(int) + 1


def agrees(run, reference, key, spikes):
    """Every spike at its sample; potentials within 1e-9 mV but at the samples of spikes, where Neurapse draws a peak."""
    for i, train in enumerate(run.spikes.trains):
        np.testing.assert_array_equal(samples(train), spikes[i])
        ours, theirs = run.V.values[::20, i], 1000.0 * reference[f"{key}_V"][i]
        quiet = ~np.isin(np.arange(0, 5001, 20), spikes[i])
        np.testing.assert_allclose(ours[quiet], theirs[quiet], rtol=0, atol=1e-7)


def counts(spikes):
    return [len(s) for s in spikes]


@pytest.mark.parametrize("kind", ["RS", "IB_200pF", "IB_130pF", "CH"])
def test_adaptive_exponential(reference, kind):
    C, leak, rest, threshold, slope, a, tau, b, reset = reference[f"aef_{kind}_parameters"]
    cell = AdEx(
        capacitance=C * 1e12, leak=leak * 1e9, rest=rest * 1e3, threshold=threshold * 1e3, slope=slope * 1e3,
        adaptation=a * 1e9, adaptation_tau=tau * 1e3, adaptation_jump=b * 1e12, peak=0.0, reset=reset * 1e3, refractory=DT,
    )  # fmt: skip
    V, w = reference[f"aef_{kind}_start"] * (1e3, 1e12)
    cells = rv.Population(3, cell, initial={"V": V, "w": w}, current=reference["aef_current"] * 1e12)
    run = rv.simulate(cells, duration=500.0, dt=DT, integrator=rv.Euler())
    spikes = [reference[f"aef_{kind}_spikes{i}"] for i in range(3)]
    agrees(run, reference, f"aef_{kind}", spikes)
    name = kind.replace("_", " with ").replace("pF", " pF")
    record_reproduction("Neurapse: AEF", SOURCE, f"spikes of {name} at 250, 350, 450 pA", counts(spikes), run.spikes.counts, 0)


@pytest.mark.parametrize("kind", ["RS", "IB", "CH"])
def test_izhikevich(reference, kind):
    C, k, rest, threshold, a, b, c, d, peak = reference[f"izhikevich_{kind}_parameters"]
    cell = Izhikevich(
        capacitance=C * 1e12, k=k * 1e6, rest=rest * 1e3, threshold=threshold * 1e3,
        a=a * 1e-3, b=b * 1e9, c=c * 1e3, d=d * 1e12, peak=peak * 1e3, refractory=DT,
    )  # fmt: skip
    V, u = reference[f"izhikevich_{kind}_start"] * (1e3, 1e12)
    cells = rv.Population(3, cell, initial={"V": V, "u": u}, current=reference["izhikevich_current"] * 1e12)
    run = rv.simulate(cells, duration=500.0, dt=DT, integrator=rv.Euler())
    spikes = [reference[f"izhikevich_{kind}_spikes{i}"] for i in range(3)]
    agrees(run, reference, f"izhikevich_{kind}", spikes)
    record_reproduction("Neurapse: Izhikevich", SOURCE, f"spikes of {kind} at 600, 500, 400 pA", counts(spikes), run.spikes.counts, 0)


def test_leaky_integrate_and_fire(reference):
    """At exactly the rheobase the first neuron never fires."""
    cell = rv.neurons.LeakyIntegrateAndFire(**LIF)
    run = rv.simulate(cell, current=reference["lif_current"] * 1e12, duration=500.0, dt=DT, integrator=rv.Midpoint())
    spikes = [np.sort(reference["lif_spikes"][reference["lif_neurons"] == i]) for i in range(10)]
    agrees(run, reference, "lif", spikes)
    record_reproduction("Neurapse: LIF", SOURCE, "spikes of ten neurons", counts(spikes), run.spikes.counts, 0)


@pytest.mark.parametrize(("speed", "key"), [(1e-3, "hh"), (1.0, "hh_fixed")], ids=["as published", "with rates per ms"])
def test_hodgkin_huxley(reference, speed, key):
    start = {"V": 1000 * float(reference["hh_V0"]), **{gate: float(reference[f"hh_{gate}0"]) for gate in "mhn"}}
    cell = rv.Population(1, hodgkin_huxley(speed), initial=start, current=rv.stimuli.SquarePulse(15.0, start=60.0, stop=90.01))
    run = rv.simulate(cell, duration=150.0, dt=0.01, integrator=rv.Euler())
    np.testing.assert_allclose(run.V.values[::25, 0], 1000 * reference[f"{key}_V"], rtol=0, atol=1e-7)
    crossings = reference["hh_fixed_crossings"] if speed == 1.0 else []
    np.testing.assert_array_equal(run.spikes.steps, crossings)
    record_reproduction(
        f"Neurapse: Hodgkin–Huxley ({'rates per ms' if speed == 1.0 else 'as published'})",
        SOURCE,
        "spikes",
        len(crossings),
        len(run.spikes),
        0,
    )


@pytest.mark.parametrize("case", ["", "other_"], ids=["README", "the other order"])
def test_feed_forward_network(reference, case):
    """Three neurons onto two by six delays: which of the two fires depends on the order of the inputs."""
    pulses = np.zeros((200, 3))
    for i, (start, stop) in enumerate(reference[f"feedforward_{case}pulses"]):
        pulses[start:stop, i] = 5e4  # pA
    cell = rv.neurons.LeakyIntegrateAndFire(**LIF)
    before = rv.Population(3, cell, current=rv.stimuli.Sampled(pulses, every=DT), name="before")
    after = rv.Population(2, cell, name="after")
    parts = kernel(before, after, reference["feedforward_weight"].T.astype(float), reference["feedforward_delay_steps"].T)
    net = rv.Network(before, after, *parts)
    run = rv.simulate(net, duration=100.0, dt=DT, integrator=Scheme(), record=rv.Record(after, ["V", "synaptic_current"]))
    trains = [samples(t).tolist() for t in run.spikes["after"].trains]
    if not case:
        assert [samples(t).tolist() for t in run.spikes["before"].trains] == [[x] for x in reference["feedforward_pre"]]
        np.testing.assert_allclose(
            -run["after"].synaptic_current.values[:800:5].T, 1e12 * reference["feedforward_I_post"], rtol=0, atol=1e-7
        )
        assert trains == [[], reference["feedforward_post1"].tolist()]
        V, theirs = run["after"].V.values[:800:5].T, 1000 * reference["feedforward_V_post"]
        quiet = theirs < 100
        np.testing.assert_allclose(V[quiet], theirs[quiet], rtol=0, atol=1e-7)
    else:
        assert trains == [reference["feedforward_other_post0"].tolist(), []]
    spike = next(t[0] for t in trains if t)
    expected = reference["feedforward_other_post0" if case else "feedforward_post1"][0]
    record_reproduction(
        f"Neurapse: feed-forward network ({'the other order' if case else 'README'})", SOURCE, "sample of the spike", expected, spike, 0
    )


def test_synaptic_current_of_a_spike_train(reference):
    """A train of given spikes through one synapse: 500 pA, delayed by 9 samples (`1e-3 // 1e-4`)."""
    train = rv.Population(1, rv.neurons.SpikeTimes(times=DT * reference["synapse_train"]))
    target = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(**LIF), name="target")
    # Here a spike is in the sample given, not detected in the step before it: one step less of delay.
    parts = kernel(train, target, np.full((1, 1), 500.0), np.full((1, 1), 8))
    run = rv.simulate(
        rv.Network(train, target, *parts), duration=500.0, dt=DT, integrator=Scheme(), record=rv.Record(target, "synaptic_current")
    )
    np.testing.assert_allclose(-run["target"].synaptic_current.values[::10, 0], 1e12 * reference["synapse_I"], rtol=0, atol=1e-9)


def random_network(reference):
    n, steps = 50, 5000
    weight, delay = np.zeros((n, n)), np.ones((n, n), int)
    for pre, (targets, weights, delays) in enumerate(
        zip(reference["random_Fanout"], reference["random_W0"], reference["random_delay_steps"], strict=True)
    ):
        for post, w, d in zip(targets, weights, delays, strict=True):
            weight[post, pre], delay[post, pre] = w, d
    shape = np.exp(-np.arange(447) * DT / TAU) - np.exp(-4 * np.arange(447) * DT / TAU)
    applied = np.zeros((steps + 447, n))
    for at, neuron in zip(reference["random_poisson_idx"], reference["random_poisson_neuron"], strict=True):
        applied[at : at + 447, neuron] += 3000.0 * shape
    cells = rv.Population(n, rv.neurons.LeakyIntegrateAndFire(**LIF), current=rv.stimuli.Sampled(applied[:steps], every=DT), name="cells")
    return rv.Network(cells, *kernel(cells, cells, weight, delay - 1, window=446))


def test_random_network(reference):
    """Fifty neurons, 4276 spikes in 500 ms: every one at its sample."""
    net = random_network(reference)
    run = rv.simulate(net, duration=500.0, dt=DT, integrator=Scheme(), record=rv.Record("cells", "V", every=2.0))
    ours = sorted(zip(samples(run.spikes.times).tolist(), run.spikes.neurons.tolist(), strict=True))
    ours = [spike for spike in ours if spike[0] < 5000]
    theirs = sorted(zip(reference["random_spk_idx"].tolist(), reference["random_spk_neuron"].tolist(), strict=True))
    assert ours == theirs
    counts = np.bincount(np.array(ours)[:, 1] >= 40)
    record_reproduction(
        "Neurapse: dynamic random network", SOURCE, "spikes of the excitatory and the inhibitory neurons", [3155, 1121], counts, 0
    )
