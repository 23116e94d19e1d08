"""Bad input gets a clear error before anything runs, and nothing that was computed is lost."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pint
import pytest

import ranvier as rv
from ranvier.record.memory import check_memory

ureg = pint.UnitRegistry()
HH = rv.neurons.HodgkinHuxley


def cells(n=3, **options):
    return rv.Population(n, HH(), name="cells", **options)


def test_an_unknown_variable_in_a_record():
    with pytest.raises(rv.UnknownNameError, match=r"Unknown variable of cells 'sodium.curent'. Did you mean 'sodium.current'"):
        rv.simulate(cells(), duration=1.0, record=rv.Record("cells", "sodium.curent"))


def test_an_ambiguous_short_name():
    with pytest.raises(rv.UnknownNameError, match=r"'m' could be 'sodium.m' or 'transient.m': write the full name"):
        rv.simulate(rv.neurons.ProjectionNeuron(), duration=1.0, initial={"m": 0.0})


def test_an_unknown_population():
    with pytest.raises(rv.UnknownNameError, match=r"Unknown population or projection 'cell'. Did you mean 'cells'"):
        rv.simulate(cells(), duration=1.0, record=rv.Record("cell", "V"))


@pytest.mark.parametrize(
    ("population", "message"),
    [
        (lambda: cells(initial={"V": [1.0, 2.0]}), r"The initial V of cells has the shape \(2,\), but there are 3 neurons"),
        (lambda: cells(initial={"V": np.nan}), r"Population 'cells'.initial\['V'\] is nan"),
        (lambda: cells(initial={"W": 0.0}), r"Unknown variable of cells 'W'"),
        (lambda: cells(current=[1.0, 2.0]), r"current of cells.amplitude has shape \(2,\), but there are 3 neurons"),
        (lambda: cells(current=rv.stimuli.Sampled(np.zeros((10, 4)), every=0.1)), r"The current of cells has the shape \(4,\)"),
        (lambda: cells(current=lambda t: np.zeros(5)), r"The current of cells has the shape \(5,\)"),
        (lambda: rv.Population(3, HH(capacitance=[1.0, 2.0]), name="cells"), r"cells.capacitance has shape \(2,\)"),
    ],
)
def test_shapes_that_do_not_match_the_population(population, message):
    with pytest.raises(rv.RanvierError, match=message):
        rv.simulate(population(), duration=1.0)


def test_a_current_with_two_dimensions_is_ambiguous():
    with pytest.raises(rv.ParameterError, match=r"could be \(time, neuron\) or \(neuron, time\)"):
        rv.simulate(HH(), current=np.zeros((100, 3)), duration=1.0)


def test_a_current_and_parameters_of_different_lengths():
    with pytest.raises(rv.ParameterError, match="have 2 and 3 values"):
        rv.simulate(HH(capacitance=[1.0, 2.0]), current=[1.0, 2.0, 3.0], duration=1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rv.channels.Leak(conductance=-1.0), r"Leak.conductance is -1, but it must be within \[0, inf\] mS/cm\^2"),
        (lambda: rv.channels.Leak(conductance=np.nan), "Leak.conductance is nan"),
        (lambda: rv.channels.Leak(conductance=[0.1, -0.3]), "Leak.conductance is -0.3 at index 1"),
        (lambda: rv.channels.Leak(conductance="big"), "Leak.conductance is 'big', but it must be a number"),
        (lambda: rv.channels.Leak(conductance=3 * ureg.mV), r"Leak.conductance is in mS/cm\^2, but the quantity given is in millivolt"),
        (lambda: rv.channels.Leak().replace(conductence=1.0), "Did you mean 'conductance'"),
        (lambda: HH(capacitance=0.0), "HodgkinHuxley.capacitance is 0"),
        (lambda: rv.Population(-1, HH()), "at least 0"),
        (lambda: rv.Population(3, HH), r"Did you mean HodgkinHuxley\(\)\?"),
        (lambda: rv.stimuli.Ramp(start=5.0, stop=5.0), "stop .* must be after start"),
        (lambda: rv.stimuli.Steps(times=[2.0, 1.0], values=[1.0, 2.0]), "ascending"),
        (lambda: rv.connect.pairwise_bernoulli(1.5), "within"),
        (lambda: rv.connect.matrix([[np.inf]]), "not finite"),
        (lambda: rv.Record("cells", "V", every=0.0), "must be positive"),
        (lambda: rv.Record("cells", []), "names of variables"),
        (lambda: rv.Record("cells", "V", start=5.0, stop=1.0), "start must come first"),
    ],
)
def test_values_that_cannot_be(make, message):
    with pytest.raises(rv.RanvierError, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dt": 0.0}, "dt is 0 ms, but it must be positive"),
        ({"dt": -0.1}, "dt is -0.1 ms"),
        ({"duration": -1.0}, "duration is -1 ms"),
        ({"duration": np.nan}, "duration is nan"),
        ({"duration": 5 * ureg.mV}, "duration is in ms"),
        ({"integrator": rv.RungeKutta4}, r"Did you mean rv.RungeKutta4\(\)\?"),
        ({"integrator": "rk4"}, "integrator must be an integrator"),
        ({"precision": "float"}, "Unknown precision 'float'"),
        ({"seed": -1}, "seed is -1, but it must be a whole number"),
        ({"record": "V"}, r"rv.Record\(population, 'V'"),
        ({"record": rv.Record("cells", "V", neurons=[3])}, "asks for neuron 3, but there are 3"),
        ({"record": rv.Record("cells", "V", every=0.001)}, "shorter than dt"),
        ({"record": [rv.Record("cells", "V"), rv.Record("cells", "V")]}, "recorded twice"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(rv.RanvierError, match=message):
        rv.simulate(cells(), **{"duration": 1.0, **options})


def test_quantities_are_converted():
    in_numbers = rv.simulate(HH(), current=10.0, duration=5.0, dt=0.01)
    in_quantities = rv.simulate(HH(), current=0.01 * ureg.mA / ureg.cm**2, duration=0.005 * ureg.s, dt=10 * ureg.us)
    np.testing.assert_allclose(in_quantities.V.values, in_numbers.V.values, rtol=1e-12)


def projection(**options):
    source, target = cells(), rv.Population(2, HH(), name="target")
    values = {"connect": rv.connect.all_to_all(), **options}
    return rv.Network(
        source, target, rv.Projection(source, target, rv.synapses.Cholinergic(), values.pop("connect"), name="wire", **values)
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1.0}, "a conductance cannot be negative"),
        ({"weight": np.inf}, r"Projection 'wire'.weight is inf, but it must be a finite number"),
        ({"weight": [1.0, 2.0]}, r"The weight of wire has the shape \(2,\). It must be one number, one an edge \(6\)"),
        ({"connect": np.ones((3, 2))}, "It looks transposed: rows are postsynaptic"),
        ({"connect": np.ones((4, 4))}, "there are 2 targets"),
        ({"connect": rv.connect.one_to_one()}, "as many sources as targets"),
        ({"delay": -1.0}, r"Projection 'wire'.delay is -1 ms, but it must be at least 0 ms"),
        ({"initial": {"opne": 1.0}}, "Did you mean 'open'"),
        ({"weight": 1 * ureg.mV}, "Projection 'wire'.weight is in"),
    ],
)
def test_projections_that_cannot_be(options, message):
    with pytest.raises(rv.RanvierError, match=message):
        rv.simulate(projection(**options), duration=1.0)


def test_parts_of_a_network_that_do_not_belong():
    inside, outside = cells(), rv.Population(1, HH(), name="outside")
    wire = rv.Projection(inside, outside, rv.synapses.GapJunction(), rv.connect.all_to_all())
    with pytest.raises(rv.ParameterError, match="not part of the network"):
        rv.Network(inside, wire)
    with pytest.raises(rv.ParameterError, match="Two populations are named 'cells'"):
        rv.Network(cells(), cells())
    with pytest.raises(rv.ParameterError, match="not a list"):
        rv.Network([inside, outside])
    with pytest.raises(rv.ParameterError, match="give it to the population"):
        rv.simulate(rv.Network(inside), current=1.0, duration=1.0)


def test_a_recording_larger_than_memory_is_refused_before_it_is_allocated():
    with pytest.raises(rv.ParameterError, match=r"The recording would take .* GiB.*Record less often"):
        rv.simulate(rv.Population(100_000, rv.neurons.Passive()), duration=1e6, record=rv.Record("passive", "V"))
    check_memory(1.0)


def test_a_step_too_long_for_the_integrator_names_what_went_wrong_and_keeps_what_was_computed():
    population = rv.Population(3, rv.neurons.BazhenovNeuron(), current=[0.0, 20.0, 0.0], name="cells")
    with pytest.raises(rv.SimulationDiverged, match=r"of cells, neuron \d, became .*dt = 0.2 ms, Euler.*Try a smaller dt") as caught:
        rv.simulate(population, duration=200.0, dt=0.2, integrator=rv.Euler(), record=rv.Record("cells", "V", every=0.2))
    error = caught.value
    kept = error.result["cells"].V
    assert 0 < error.time < 200.0
    assert np.isfinite(kept.values).all()
    assert kept.time.values[-1] == pytest.approx(error.time - 0.2)
    assert error.result.spikes.stop == pytest.approx(error.time - 0.2)


def test_a_channel_that_needs_a_pool_the_neuron_lacks():
    with pytest.raises(rv.ParameterError, match="reads the ion pool 'calcium', which the neuron does not have"):
        rv.neurons.ConductanceBased(channels={"kca": rv.channels.CalciumActivatedPotassium()})


def test_a_derivative_of_a_variable_that_does_not_exist():
    class Typo(rv.NeuronModel):
        def initial_state(self, n, key):
            return {"V": np.zeros(n)}

        def derivatives(self, state, inputs, t):
            return {"v": -state["V"]}

        def spiked(self, before, after):
            return after["V"] > 0

    with pytest.raises(rv.ParameterError, match=r"Typo.derivatives returns 'v', which is not in its initial_state. Did you mean 'V'"):
        rv.simulate(Typo(), duration=1.0)


def test_a_state_of_another_network_is_refused():
    state = rv.simulate(cells(), duration=0.1).state
    with pytest.raises(rv.ParameterError, match="is of another network"):
        rv.simulate(rv.Network(rv.Population(3, HH(), name="others")), initial=state, duration=0.1)
    with pytest.raises(rv.ParameterError, match="cells has 4 neurons in this network and 3 in the state"):
        rv.simulate(rv.Network(cells(4)), initial=state, duration=0.1)


def test_the_several_populations_of_a_result_must_be_named():
    run = rv.simulate(rv.Network(cells(), rv.Population(1, HH(), name="more")), duration=0.1)
    with pytest.raises(AttributeError, match="several populations"):
        _ = run.V


def test_every_warning_of_the_package_points_at_the_user_s_line():
    """`errors.warn` finds it; a number of frames written down is wrong as soon as a call is made from elsewhere."""
    package = Path(rv.__file__).parent
    found = [str(f.relative_to(package)) for f in package.rglob("*.py") if "warnings.warn(" in f.read_text()]
    assert found == ["errors.py"]


def test_a_potential_beyond_the_model_s_bound_says_whose_bound_it_is():
    class Counter(rv.NeuronModel):
        def initial_state(self, n, key):
            return {"V": jnp.zeros(n)}

        def derivatives(self, state, inputs, t):
            return {"V": inputs.offset}

        def spiked(self, before, after):
            return jnp.zeros(before["V"].shape, bool)

    class Unbounded(Counter):
        largest_potential = np.inf

    with pytest.raises(rv.SimulationDiverged, match=r"became 10100 .*beyond 10000 mV counts as diverged for Counter;.*`largest_potential`"):
        rv.simulate(Counter(), current=1000.0, duration=20.0, dt=0.1)
    assert rv.simulate(Unbounded(), current=1000.0, duration=20.0, dt=0.1).V.values[-1, 0] == pytest.approx(20_000.0)
