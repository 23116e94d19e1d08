"""The checker finds what it is there to find: each broken model is refused, with words that say what is wrong."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier import testing
from ranvier.connect import ConnectionRule, Edges

SLOPE = 10.0


class Channel(rv.IonChannel):
    """A channel in order, which the others break."""

    conductance: rv.PerNeuron = rv.parameter(0.1, "mS/cm^2")

    def initial_gates(self, V):
        return {"p": 1 / (1 + jnp.exp(-(V + 50) / SLOPE))}

    def gate_derivatives(self, gates, V):
        return {"p": (1 / (1 + jnp.exp(-(V + 50) / SLOPE)) - gates["p"]) / 10}

    def current(self, gates, V):
        return self.conductance * gates["p"] * (V - 50)


class Singular(Channel):
    """0/0 at −40 mV."""

    def gate_derivatives(self, gates, V):
        return {"p": 0.1 * (V + 40) / (1 - jnp.exp(-(V + 40) / 10)) * (self.initial_gates(V)["p"] - gates["p"])}


class Unrested(Channel):
    """Starts closed."""

    def initial_gates(self, V):
        return {"p": 0.0 * V}


class MixedUp(Channel):
    """Averages over the neurons."""

    def current(self, gates, V):
        return self.conductance * jnp.mean(gates["p"]) * (V - 50)


class Misnamed(Channel):
    """Its derivative has another name."""

    def gate_derivatives(self, gates, V):
        return {"q": -gates["p"]}


class Precise(Channel):
    """Computes in double."""

    def current(self, gates, V):
        return gates["p"] * (V - np.float64(50) * jnp.ones(V.shape, "float64"))


class PerCell(Channel):
    """In the units of a cell, where the input is per area."""

    conductance: rv.PerNeuron = rv.parameter(0.1, "nS")


class NoSuchUnit(Channel):
    """In a unit that does not exist."""

    conductance: rv.PerNeuron = rv.parameter(0.1, "mSiemenses/cm")


class Stuck(Channel):
    """Its gradient is not the derivative of what it computes."""

    def current(self, gates, V):
        return self.conductance * gates["p"] * (jax.lax.stop_gradient(V) - 50)


class Undocumented(Channel):
    pass


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        (Singular, r"V = -40 mV"),
        (Unrested, "not at rest"),
        (MixedUp, "one by one|permuting"),
        (Misnamed, r"returns \['q'\], where \['p'\]"),
        (Precise, "float64 where the state is float32"),
        (PerCell, "one is per area"),
        (NoSuchUnit, "none that pint knows"),
        (Stuck, "finite differences"),
        (Undocumented, "no docstring"),
    ],
)
def test_broken_channels(channel, message):
    with pytest.raises(testing.ConformanceError, match=message):
        testing.check_channel(channel())


def test_a_channel_in_order():
    testing.check_channel(Channel())
    with pytest.raises(testing.ConformanceError, match="equations"):
        testing.check_channel(Channel(), published=True)
    with pytest.raises(testing.ConformanceError, match=r"Give an instance: Channel\(...\)"):
        testing.check_channel(Channel)


class Neuron(rv.NeuronModel):
    """A neuron in order."""

    leak: rv.PerNeuron = rv.parameter(0.1, "mS/cm^2")
    capacitance: rv.PerNeuron = rv.parameter(1.0, "uF/cm^2")
    table: object = None

    def initial_state(self, n, key):
        return {"V": jnp.full(n, -65.0)}

    def derivatives(self, state, inputs, t):
        return {"V": (inputs.current(state["V"]) - self.leak * (state["V"] + 65)) / self.capacitance}

    def spiked(self, before, after):
        return after["V"] >= -50

    def reset(self, state, spiked):
        return {"V": jnp.where(spiked, -65.0, state["V"])}


class Timed(Neuron):
    """Lets the time's precision into its state."""

    def derivatives(self, state, inputs, t):
        return {"V": jnp.sin(t) - state["V"]}


class Forgetful(Neuron):
    """Resets everybody."""

    def reset(self, state, spiked):
        return {"V": jnp.where(spiked, -65.0, -64.0)}


class Crowded(Neuron):
    """Feels the mean of all."""

    def derivatives(self, state, inputs, t):
        return {"V": inputs.current(state["V"]) - (state["V"] - jnp.mean(state["V"]))}


class Surprising(Neuron):
    """Has a derivative of what it has not."""

    def derivatives(self, state, inputs, t):
        return {"V": -state["V"], "w": -state["V"]}


class Restless(Neuron):
    """Spikes all the time."""

    def spiked(self, before, after):
        return after["V"] >= -70


@pytest.mark.parametrize(
    ("neuron", "message"),
    [
        (Timed(), "float64 where the state is float32"),
        (Forgetful(), "did not spike"),
        (Crowded(), "one by one|permuting"),
        (Surprising(), r"returns \['w'\]"),
        (Restless(), "at rest"),
        (Neuron(table=np.zeros(3)), "structure"),
    ],
)
def test_broken_neurons(neuron, message):
    with pytest.raises(testing.ConformanceError, match=message):
        testing.check_neuron(neuron)


class Saturating(rv.synapses.ExponentialConductance):
    """Not linear in what arrives, though its state is shared by all that arrives."""

    def receive(self, state, arriving):
        return {"g": jnp.maximum(state["g"] + arriving, 1.0)}


class Weighted(rv.synapses.ExponentialConductance):
    """Does to the sum what it should do to each."""

    def membrane_input(self, transmitted, V):
        return transmitted**2, transmitted**2 * self.reversal


class Nowhere(rv.synapses.ExponentialConductance):
    """At a site that does not exist."""

    site = "soma"


@pytest.mark.parametrize(("synapse", "message"), [(Saturating, "not linear"), (Weighted, "not linear"), (Nowhere, "'soma'")])
def test_broken_synapses(synapse, message):
    with pytest.raises(testing.ConformanceError, match=message):
        testing.check_synapse(synapse())


class Wide(rv.Stimulus):
    """Of a shape that fits nothing."""

    def __call__(self, t):
        return jnp.ones((2, 3))


class Undefined(rv.Stimulus):
    """NaN before 20 ms."""

    def __call__(self, t):
        return jnp.sqrt(t - 20)


@pytest.mark.parametrize(("stimulus", "message"), [(Wide, "shape"), (Undefined, "nan")])
def test_broken_stimuli(stimulus, message):
    with pytest.raises(testing.ConformanceError, match=message):
        testing.check_stimulus(stimulus())


@dataclasses.dataclass(frozen=True)
class Boastful(rv.Euler):
    """States an order that it does not reach."""

    order = 2


@dataclasses.dataclass(frozen=True)
class Imprecise(rv.Integrator):
    """Takes the end of the step to be t + h."""

    order = 2

    def step(self, system, state, memory, t, t_next, key=None):
        h = system.interval(t, t_next)
        move = lambda x, k: jax.tree.map(lambda x, k: x + h * k, x, k)
        k1 = system.rate(state, t)
        k2 = system.rate(move(state, k1), t + 0.1)
        return move(state, jax.tree.map(lambda a, b: (a + b) / 2, k1, k2)), memory


@pytest.mark.parametrize(("integrator", "message"), [(Boastful, "measured"), (Imprecise, "t_next itself")])
def test_broken_integrators(integrator, message):
    with pytest.raises(testing.ConformanceError, match=message):
        testing.check_integrator(integrator())


class Unsorted(ConnectionRule):
    def edges(self, sources, targets, block, own, key):
        ids = np.array(block[::-1], np.int32)
        return Edges(ids, ids)


class BlockByBlock(ConnectionRule):
    def edges(self, sources, targets, block, own, key):
        pre = np.floor(key.uniform(len(block)) * sources).astype(np.int32)
        return Edges(pre, np.array(block, np.int32))


class Wandering(ConnectionRule):
    def edges(self, sources, targets, block, own, key):
        return Edges(np.random.default_rng().integers(0, sources, len(block)).astype(np.int32), np.array(block, np.int32))


@pytest.mark.parametrize(("rule", "message"), [(Unsorted, "sorted"), (BlockByBlock, "in blocks"), (Wandering, "asked again")])
def test_broken_rules(rule, message):
    with pytest.raises(testing.ConformanceError, match=message):
        testing.check_connection_rule(rule(), 1000, 1000)
