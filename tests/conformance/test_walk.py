"""Every channel, pool, neuron, synapse, stimulus, integrator and connection rule of the package keeps its promises."""

import inspect

import pytest

import ranvier as rv
from ranvier import testing
from ranvier.connect import ConnectionRule

from .walk import KINDS, UNPUBLISHED, classes, examples


def of_kind(base):
    return [pytest.param(cls, arguments, id=label) for cls, arguments, label in examples(base)]


def made(cls, arguments):
    try:
        return cls(**arguments)
    except TypeError as error:
        pytest.fail(f"{cls.__name__} cannot be made with {arguments}: {error}. Give every parameter a default, or ARGUMENTS in walk.py.")


@pytest.mark.parametrize(("cls", "arguments"), of_kind(rv.IonChannel))
def test_channel(cls, arguments):
    testing.check_channel(made(cls, arguments), published=True)


@pytest.mark.parametrize(("cls", "arguments"), of_kind(rv.IonPool))
def test_pool(cls, arguments):
    testing.check_pool(made(cls, arguments), published=True)


@pytest.mark.parametrize(("cls", "arguments"), of_kind(rv.NeuronModel))
def test_neuron(cls, arguments):
    testing.check_neuron(made(cls, arguments), published=cls.__name__ not in UNPUBLISHED)


@pytest.mark.parametrize(("cls", "arguments"), of_kind(rv.SynapseModel))
def test_synapse(cls, arguments):
    testing.check_synapse(made(cls, arguments), published=True)


@pytest.mark.parametrize(("cls", "arguments"), of_kind(rv.Stimulus))
def test_stimulus(cls, arguments):
    stimulus = made(cls, arguments)
    testing.check_stimulus(stimulus)
    assert stimulus.equations


# What any system of equations offers. Integrators that need more are for networks alone: tests/network/test_exact_linear.py.
OFFERED = {"rate_and_slope", "exp", "where", "diffusion", "normal"}


@pytest.mark.parametrize(("cls", "arguments"), [p for p in of_kind(rv.Integrator) if set(p.values[0].needs) <= OFFERED])
def test_integrator(cls, arguments):
    assert inspect.getdoc(cls)
    testing.check_integrator(made(cls, arguments))


@pytest.mark.parametrize(("cls", "arguments"), of_kind(ConnectionRule))
def test_rule(cls, arguments):
    assert inspect.getdoc(cls)
    testing.check_connection_rule(made(cls, arguments))


@pytest.mark.parametrize(("cls", "arguments"), of_kind(rv.PlasticityRule))
def test_plasticity_rule(cls, arguments):
    testing.check_plasticity_rule(made(cls, arguments), published=cls.__name__ not in UNPUBLISHED)


@pytest.mark.parametrize("cls", classes(rv.Integrator))
def test_a_network_runs_with_an_integrator_or_refuses_it_by_name(cls):
    try:
        run = rv.simulate(rv.neurons.Passive(), current=1.0, duration=1.0, dt=0.1, integrator=cls())
    except rv.UnsupportedError as refusal:
        assert cls.__name__ in str(refusal)
    else:
        assert float(run.V[-1, 0]) == pytest.approx(-65 + 10 * (1 - 2.718281828**-0.1), abs=0.02)


def test_the_walk_finds_what_is_there():
    """The walk itself: it has found at least what the package began with."""
    began = {"channel": 15, "pool": 1, "neuron": 12, "synapse": 6, "stimulus": 9, "integrator": 6, "rule": 4}
    assert {kind: n for kind, n in began.items() if len(classes(KINDS[kind])) < n} == {}


NAMESPACES = {"channel": rv.channels, "pool": rv.channels, "neuron": rv.neurons, "synapse": rv.synapses, "stimulus": rv.stimuli}


NEEDS_NONE = ("Product", "Scaled", "Sum")


@pytest.mark.parametrize("kind", NAMESPACES)
def test_everything_is_exported(kind):
    """One export line a class, in the namespace of its kind; what a + b, a * b and 2 a make needs none."""
    namespace = NAMESPACES[kind]
    own = [cls for cls in classes(KINDS[kind]) if cls.__module__.startswith(namespace.__name__) and cls.__name__ not in NEEDS_NONE]
    assert [cls.__name__ for cls in own if getattr(namespace, cls.__name__, None) is not cls] == []
