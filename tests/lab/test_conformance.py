"""A scene's page gives the spikes that `rv.simulate` gives, step for step, and the same potentials.

The tolerance, 1e-6 mV, is what two orders of rounding make of each other's last bits over 300 ms;
the largest difference seen is 2e-9 mV.
"""

import inspect
import json

import numpy as np
import pytest

import ranvier as rv
from ranvier.lab import of_neuron, of_synapse
from ranvier.lab.catalogue import NEURONS
from ranvier.lab.html import model_script

from ..conformance.walk import ARGUMENTS
from . import v8

TOLERANCE = 1e-6  # mV


def public(module, base):
    found = [c for _, c in sorted(vars(module).items()) if inspect.isclass(c) and issubclass(c, base) and c is not base]
    return [c for c in found if not (inspect.getdoc(c) or "").startswith("Base of")]


def made(cls):
    return cls(**ARGUMENTS.get(cls.__name__, [{}])[0])


def both(scene, model, current, duration, dt, integrator):
    spikes, columns = v8.run(scene)
    record = sorted({name for part, name in columns if part == "cell"} - {"injected_current"})
    run = rv.simulate(
        model, current=current, duration=duration, dt=dt, integrator=integrator, record=rv.Record(_name(model), record) if record else []
    )
    return spikes[0], columns, run, record


def _name(model):
    return next(iter(rv.Network(rv.Population(1, model)).populations))


NEURON_CLASSES = [c for c in public(rv.neurons, rv.NeuronModel) if c is not rv.neurons.ConductanceBased]


@pytest.mark.parametrize("cls", NEURON_CLASSES, ids=lambda c: c.__name__)
def test_every_neuron(cls):
    model = made(cls)
    scene = of_neuron(model)
    settings = scene.facts["settings"]
    entry = NEURONS.get(cls.__name__)
    duration, dt = min(settings["duration"], 300.0), settings["dt"]
    settings["duration"] = duration
    pulse = None
    if model.takes_input and model.takes_current:
        amplitude, start, stop = settings["P"]["cell.SquarePulse"]
        pulse = rv.stimuli.SquarePulse(amplitude, start=start, stop=stop)
    spikes, columns, run, record = both(scene, model, pulse, duration, dt, getattr(rv, settings["integrator"])())
    assert spikes == run.spikes.steps.tolist()
    assert entry is None or cls is rv.neurons.Passive or len(spikes) > 0
    for name in record:
        theirs = run[_name(model)][name].values[:, 0]
        scale = max(1.0, float(np.abs(theirs).max()))
        np.testing.assert_allclose(columns["cell", name], theirs, rtol=0, atol=TOLERANCE * scale, err_msg=name)


def test_a_model_from_text():
    cls = rv.neurons.from_equations(
        "dV/dt = (g*(E - V) + I) / C : mV (unless refractory)\ndw/dt = -w / tau : mV",
        threshold="V > T + w",
        reset="V = E; w += 2*mV",
        refractory="3 ms",
        initial={"V": "E"},
        parameters={"E": "-70 mV", "g": "10 nS", "C": "200 pF", "tau": "100 ms", "T": "-50 mV"},
    )
    scene = rv.lab.scene(cls(), current=300.0, duration=300.0, dt=0.1)
    spikes, columns, run, _ = both(scene, cls(), 300.0, 300.0, 0.1, rv.RungeKutta4())
    assert spikes == run.spikes.steps.tolist()
    assert len(spikes) > 3
    np.testing.assert_allclose(columns["cell", "V"], run.V.values[:, 0], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["Euler", "Heun", "Midpoint", "Ralston", "ThreeEighths", "ExponentialEuler"])
def test_every_integrator(name):
    model, integrator = rv.neurons.HodgkinHuxley(), getattr(rv, name)()
    scene = rv.lab.scene(model, current=10.0, duration=100.0, dt=0.02, integrator=integrator)
    spikes, columns, run, _ = both(scene, model, 10.0, 100.0, 0.02, integrator)
    assert spikes == run.spikes.steps.tolist()
    assert len(spikes) == 7
    np.testing.assert_allclose(columns["cell", "V"], run.V.values[:, 0], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("part", [rv.channels.CalciumActivatedPotassium(), rv.channels.CalciumPool()], ids=lambda p: type(p).__name__)
def test_a_channel_and_a_pool_in_a_membrane(part):
    scene = rv.lab.of_channel(part)
    _, columns = v8.run(scene)
    calcium, leak, pool = rv.channels.BazhenovCalcium(), rv.channels.Leak(reversal=-70.0), rv.channels.CalciumPool()
    held = {"channel": calcium} if isinstance(part, rv.channels.IonPool) else {"channel": part, "calcium": calcium}
    cell = rv.neurons.ConductanceBased(channels={**held, "leak": leak}, pools={"calcium": pool}, initial_potential=-70.0)
    pulse = rv.stimuli.SquarePulse(5.0, start=20.0, stop=180.0)
    run = rv.simulate(cell, current=pulse, duration=200.0, dt=0.025, integrator=rv.RungeKutta4())
    np.testing.assert_allclose(columns["cell", "V"], run.V.values[:, 0], rtol=0, atol=TOLERANCE)
    assert np.ptp(columns["cell", "V"]) > 5.0


def _stimuli():
    for cls in [rv.stimuli.Constant, *public(rv.stimuli, rv.Stimulus)]:
        yield made(cls)
    yield rv.stimuli.WhiteNoise(mean=1.0, intensity=3.0)
    yield rv.stimuli.SquarePulse(2.0, start=5.0, stop=20.0) + 0.5 * rv.stimuli.WhiteNoise(intensity=1.0)
    yield rv.stimuli.Ramp(0.0, 3.0, start=3.0, stop=17.0)


@pytest.mark.parametrize("stimulus", list(_stimuli()), ids=lambda s: type(s).__name__)
def test_every_stimulus(stimulus):
    model = rv.neurons.Passive()
    if np.ndim(getattr(stimulus, "amplitude", 0.0)):
        pytest.skip("a value a neuron")
    scene = rv.lab.scene(model, current=stimulus, duration=30.0, dt=0.05, seed=3)
    _, columns = v8.run(scene)
    run = rv.simulate(model, current=stimulus, duration=30.0, dt=0.05, integrator=rv.RungeKutta4(), seed=3)
    np.testing.assert_allclose(columns["cell", "V"], run.V.values[:, 0], rtol=0, atol=TOLERANCE)


def pair(scene, pre, synapse, post, **options):
    """The network that a scene of two cells is, run by the engine."""
    settings = scene.facts["settings"]
    pre, post = rv.Population(1, pre, name="pre", **options), rv.Population(1, post, name="post")
    plastic = options.pop("plastic", None)
    fibre = rv.Projection(
        pre, post, synapse, [[1]], weight=settings["weight"], delay=settings["delay"], short_term_plasticity=plastic, name="synapse"
    )
    return rv.simulate(
        rv.Network(pre, post, fibre),
        duration=settings["duration"],
        dt=settings["dt"],
        integrator=rv.RungeKutta4(),
        record=rv.Record(post, "V"),
    )


def train(scene):
    train = scene.facts["settings"]["train"]
    times = train["start"] + np.arange(train["count"]) * 1000.0 / train["rate"]
    return rv.neurons.SpikeTimes(times=[*times, times[-1] + train["recovery"]])


@pytest.mark.parametrize("cls", public(rv.synapses, rv.SynapseModel), ids=lambda c: c.__name__)
def test_every_synapse(cls):
    scene = of_synapse(cls())
    spikes, columns = v8.run(scene)
    if cls.site == "source":
        amplitude, start, stop = scene.facts["settings"]["P"]["pre.SquarePulse"]
        current = rv.stimuli.SquarePulse(amplitude, start=start, stop=stop)
        run = pair(scene, rv.neurons.HodgkinHuxley(), cls(), rv.neurons.HodgkinHuxley(), current=current)
    else:
        run = pair(scene, train(scene), cls(), rv.neurons.LeakyIntegrateAndFire(refractory=2.0))
    assert spikes[0] == run["pre"].spikes.steps.tolist()
    assert spikes[1] == run["post"].spikes.steps.tolist()
    V = run["post"].V.values[:, 0]
    assert V.max() > V.min() + 0.01
    np.testing.assert_allclose(columns["post", "V"], V, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("plastic", [rv.synapses.TsodyksMarkram.depressing(), rv.synapses.TsodyksMarkram.facilitating()])
def test_short_term_plasticity(plastic):
    scene = rv.lab.of_plasticity(plastic)
    spikes, columns = v8.run(scene)
    settings = scene.facts["settings"]
    pre, post = rv.Population(1, train(scene), name="pre"), rv.Population(1, rv.neurons.LeakyIntegrateAndFire(refractory=2.0), name="post")
    fibre = rv.Projection(
        pre, post, rv.synapses.ExponentialCurrent(tau=5.0), [[1]], weight=settings["weight"], delay=1.0, short_term_plasticity=plastic
    )
    run = rv.simulate(rv.Network(pre, post, fibre), duration=1000.0, dt=0.1, integrator=rv.RungeKutta4(), record=rv.Record(post, "V"))
    assert spikes[0] == run["pre"].spikes.steps.tolist()
    np.testing.assert_allclose(columns["post", "V"], run["post"].V.values[:, 0], rtol=0, atol=TOLERANCE)


RULES = [cls for cls in public(rv.plasticity, rv.PlasticityRule) if cls.__name__ not in ("RewardModulatedSTDP", "RMaxSTDP", "VoltageSTDP")]


def test_every_rule():
    """Its window, against the rule alone; of three kinds the weights of a run, in one network: one compilation."""
    parts, expected = [], {}
    for cls in RULES:
        rule = cls(high=100.0)
        scene = rv.lab.of_rule(rule)
        settings = scene.facts["settings"]
        settings["duration"], settings["train"]["count"] = 600.0, 11
        if cls.__name__ in ("PairSTDP", "TripletSTDP", "ProportionalSTDP"):
            expected[cls.__name__] = v8.run(scene)
        post = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=110.0, name=f"{cls.__name__} post")
        if cls.__name__ in expected:
            parts.append((cls.__name__, rule, post))
        with v8.engine(model_script(scene.facts, scene.code)) as context:
            call = 'JOBS.window({settings: SCENE.settings, rule: "rule", span: 80, pairs: 5, frequency: 7, count: 21})'
            found = json.loads(context.eval(f"JSON.stringify((r => [Array.from(r.lags), Array.from(r.change)])({call}))"))
        starts = np.arange(5) * 1000.0 / 7
        alone = rv.plasticity.weight_after(rule, [starts] * 21, [starts + lag for lag in found[0]], weight=50.0)
        np.testing.assert_allclose(found[1], 100 * (alone - 50.0) / 50.0, atol=1e-10, err_msg=cls.__name__)
    times = settings["train"]["start"] + np.arange(11) * 1000.0 / settings["train"]["rate"]
    pre = rv.Population(1, rv.neurons.SpikeTimes(times=times), name="pre")
    synapse = rv.synapses.ExponentialCurrent()
    fibres = [rv.Projection(pre, post, synapse, [[1]], weight=50.0, delay=1.0, plasticity=rule, name=name) for name, rule, post in parts]
    net = rv.Network(pre, *(post for _, _, post in parts), *fibres)
    record = [rv.Record(fibre, "weight") for fibre in fibres]
    run = rv.simulate(net, duration=600.0, dt=0.1, integrator=rv.RungeKutta4(), record=record)
    for name, (spikes, columns) in expected.items():
        weights = run[name].weight.values[:, 0]
        assert spikes[1] == run[f"{name} post"].spikes.steps.tolist()
        assert np.ptp(weights) > 0.0
        np.testing.assert_allclose(columns["rule", "weight"], weights, rtol=1e-12, err_msg=name)
    assert (len(RULES), len(expected)) == (8, 3)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (rv.plasticity.RewardModulatedSTDP(high=1.0), "third factor"),
        (rv.plasticity.VoltageSTDP(), "the target's potential"),
        (rv.plasticity.PairSTDP(high=1.0, homeostasis=rv.plasticity.Normalization(1.0)), "now and then"),
    ],
)
def test_rules_that_ask_for_more_than_spikes_are_refused(rule, message):
    with pytest.raises(rv.UnsupportedError, match=message):
        rv.lab.of_rule(rule)


def test_chance_differs_with_the_seed_and_agrees_with_the_engine():
    model = rv.neurons.EscapeNoiseIntegrateAndFire()
    trains = []
    for seed in (1, 2**40 + 5):
        scene = rv.lab.scene(model, current=110.0, duration=300.0, dt=0.1, seed=seed)
        spikes, _ = v8.run(scene)
        run = rv.simulate(model, current=110.0, duration=300.0, dt=0.1, integrator=rv.RungeKutta4(), seed=seed)
        assert spikes[0] == run.spikes.steps.tolist()
        trains.append(spikes[0])
    assert trains[0] != trains[1]


def test_the_normal_numbers_are_those_of_the_engine():
    key = rv.random.Key(2**33 + 7, 12345)
    theirs = key.at(2**35 + 3).normal(np.zeros(50))
    with v8.engine() as context:
        table = json.loads(context.eval("JSON.stringify(Array.from(normalTable()))"))
        ours = [context.eval(f"normalAt({2**33 + 7}, 12345, {2**35 + 3}, {i})") for i in range(50)]
    assert table == rv.random.normal_table().tolist()
    assert ours == theirs.tolist()
