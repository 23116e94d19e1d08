"""`rv.sweep`: the dataset, stores that go on, sets that diverge, and everything that is refused."""

import numpy as np
import pytest
import xarray

import ranvier as rv
from ranvier.network import loop
from ranvier.sweeps.run import Runner

CELL = rv.Population(1, rv.neurons.HodgkinHuxley(), current=0.0, name="cell")
NET = rv.Population(4, rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=rv.normal(300.0, 20.0), name="exc")


def test_an_fi_curve_of_a_thousand_currents_is_one_call():
    curve = rv.sweep(CELL, {"cell.current": np.linspace(0, 20, 1000)}, 30.0, dt=0.05)
    assert curve["cell.mean_rate"].dims == ("cell.current",)
    assert curve["cell.current"].attrs["units"] == "uA/cm^2" and curve["cell.mean_rate"].attrs["units"] == "Hz"
    count = curve["cell.spike_count"]
    assert count.sel({"cell.current": 0.0}) == 0 and count[-1] >= 2
    first = curve["cell.first_spike"]
    assert np.isnan(first[0]) and (np.diff(first.values[-500:]) <= 0).all()
    assert curve.finished.all()


def test_products_zips_and_designs_have_their_dimensions():
    grid = rv.sweep(NET, {"exc.refractory": [1.0, 3.0], "seed": [4, 5, 6]}, 30.0, dt=0.1)
    assert dict(grid.sizes) == {"exc.refractory": 2, "seed": 3, "exc.neuron": 4}
    pairs = rv.sweep(NET, rv.zipped({"exc.refractory": [1.0, 3.0], "exc.leak": [10.0, 12.0]}) * {"seed": [4, 5]}, 30.0, dt=0.1)
    assert pairs["exc.mean_rate"].dims == ("set", "seed") and pairs["exc.leak"].dims == ("set",)
    drawn = rv.sweep(NET, rv.sobol({"exc.leak": (8.0, 12.0), "exc.capacitance": (100.0, 300.0)}, 8, seed=2, log=True), 30.0, dt=0.1)
    assert drawn.sizes["set"] == 8 and ((drawn["exc.leak"] > 8) & (drawn["exc.leak"] < 12)).all()
    again = rv.sobol({"exc.leak": (8.0, 12.0)}, 4, seed=2), rv.sobol({"exc.leak": (8.0, 12.0)}, 4, seed=3)
    assert list(again[0]) == list(rv.sobol({"exc.leak": (8.0, 12.0)}, 4, seed=2)) != list(again[1])


def test_values_that_are_no_numbers_are_said_in_words():
    stimuli = [rv.stimuli.SquarePulse(400.0, start=5, stop=10), rv.stimuli.SquarePulse(800.0, start=5, stop=20)]
    cells = rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), current=stimuli[0], name="c")
    seen = rv.sweep(cells, {"c.current": stimuli, "c.leak": [[9.0, 10.0], [11.0, 12.0]]}, 30.0, dt=0.1)
    assert seen["c.current"].values.tolist() == [0, 1] and "SquarePulse" in str(seen["c.current as given"].values[1])
    assert seen["c.spike_count"].sum("c.neuron").values.tolist()[1][0] > seen["c.spike_count"].sum("c.neuron").values.tolist()[0][0]


def test_records_reductions_and_functions():
    record = [rv.Record("exc", "V", every=1.0), rv.Record("exc", "V", reduce="mean", every=5.0), rv.Record("exc", "V", reduce="max")]
    with pytest.raises(rv.ParameterError, match="functions"):
        rv.sweep(NET, {"seed": [1]}, 20.0, dt=0.1, functions=lambda run: 1)
    seen = rv.sweep(NET, {"seed": [1, 2]}, 20.0, dt=0.1, record=record[:2], measure=[], functions={"first": lambda r: r.spikes.times[:1]})
    assert seen["exc.V"].dims == ("seed", "time", "exc.neuron") and seen["exc.V.mean"].dims == ("seed", "time_2")
    np.testing.assert_allclose(seen["exc.V"].mean("exc.neuron").values[:, ::5], seen["exc.V.mean"].values, rtol=1e-12)
    assert seen["first"].shape == (2, 1) and "exc.mean_rate" not in seen


# -- stores ----------------------------------------------------------------------------------------------


def test_a_store_holds_the_dataset_and_goes_on_where_it_was_left(tmp_path):
    sets, place = {"exc.refractory": [1.0, 3.0], "seed": range(3)}, tmp_path / "sweep.zarr"
    how = {"dt": 0.1, "record": rv.Record("exc", "V", every=1.0), "store": place, "batch": 2}
    stop = []

    def after_two(progress):
        stop.append(progress.done)
        if len(stop) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rv.sweep(NET, sets, 20.0, progress=after_two, **how)
    done = int(xarray.open_zarr(place, consolidated=False).finished.sum())
    assert 0 < done < 6
    ran = []
    whole = rv.sweep(NET, sets, 20.0, progress=lambda p: ran.append(p.done), **how)
    assert ran[0] > done and ran[-1] == 6
    plain = rv.sweep(NET, sets, 20.0, **{**how, "store": None})
    xarray.testing.assert_identical(whole.load().drop_attrs(), plain.drop_attrs())
    opened = xarray.open_zarr(place, consolidated=False)
    np.testing.assert_array_equal(opened["exc.V"].values, plain["exc.V"].values)
    compiled = loop.compilations
    rv.sweep(NET, sets, 20.0, progress=lambda p: ran.append("again"), **how)
    assert "again" not in ran and loop.compilations == compiled


def test_a_store_of_another_sweep_is_refused_and_replaced_when_asked(tmp_path):
    place = tmp_path / "sweep.zarr"
    rv.sweep(NET, {"seed": [1, 2]}, 5.0, dt=0.1, store=place)
    with pytest.raises(rv.StoreError, match="what differs: duration, the sets"):
        rv.sweep(NET, {"seed": [1, 3]}, 6.0, dt=0.1, store=place)
    with pytest.raises(rv.StoreError, match="what differs: the network"):
        rv.sweep(rv.Population(5, NET.model, current=NET.current, name="exc"), {"seed": [1, 2]}, 5.0, dt=0.1, store=place)
    assert rv.sweep(NET, {"seed": [1, 3]}, 6.0, dt=0.1, store=place, overwrite=True).sizes["seed"] == 2
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(rv.StoreError, match=r"No store can be made at .*file"):
        rv.sweep(NET, {"seed": [1]}, 5.0, dt=0.1, store=tmp_path / "file" / "sweep.zarr")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("much work")
    for overwrite in (False, True):
        with pytest.raises(rv.StoreError, match=r"no store of a sweep|not the store of a sweep"):
            rv.sweep(NET, {"seed": [1]}, 5.0, dt=0.1, store=tmp_path / "mine", overwrite=overwrite)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "much work"


# -- sets that diverge -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("store", [False, True])
def test_a_set_that_diverges_is_nan_and_the_others_go_on(batch, store, tmp_path):
    cells = rv.Population(2, rv.neurons.FitzHughNagumo(), current=0.5, name="cells")
    currents = [0.0, 0.5, 1e9, 0.7]
    how = {"dt": 0.5, "batch": batch, "record": rv.Record("cells", "V", every=5.0), "integrator": rv.Euler()}
    seen = rv.sweep(cells, {"cells.current": currents}, 50.0, store=tmp_path / "s.zarr" if store else None, **how)
    assert [bool(m) for m in seen.message.values] == [False, False, True, False]
    assert "went wrong at t =" in seen.message.values[2] and seen.finished.all()
    assert np.isnan(seen["cells.V"].values).any(axis=(1, 2)).tolist() == [False, False, True, False]
    assert np.isnan(seen["cells.mean_rate"].values).tolist() == [False, False, True, False]
    single = rv.prepare(cells, dt=0.5, integrator=rv.Euler(), record=how["record"]).run(50.0, parameters={"cells.current": 0.7})
    np.testing.assert_array_equal(seen["cells.V"].values[3], single.V.values)


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sets", "error", "words"),
    [
        ({"exc.leek": [1.0]}, rv.UnknownNameError, "exc.leak"),
        ({"sed": [1]}, rv.ParameterError, "Did you mean 'seed'"),
        ({"exc": [1.0]}, rv.UnsupportedError, "structure.*exc.leak"),
        ({"exc.n": [5, 6]}, rv.UnsupportedError, "structure"),
        ({"exc.model": [1]}, rv.UnsupportedError, "structure"),
        ({"dt": [0.1, 0.2]}, rv.UnsupportedError, "all sets of a sweep have one dt"),
        ({"exc.leak": {9.0, 10.0}}, rv.ParameterError, "A set has no order"),
        ({"exc.leak": []}, rv.ParameterError, "is empty"),
        ({"exc.leak": 3.0}, rv.ParameterError, "list of the values"),
        ({"exc.leak": rv.normal(1, 1)}, rv.ParameterError, "latin_hypercube"),
        ({"exc.leak": [10.0, np.nan]}, rv.ParameterError, "Value 1 of 'exc.leak'"),
        ({"exc.leak": [10.0, -1.0]}, rv.ParameterError, "Value 1 of 'exc.leak'.*leak is -1"),
        ({"exc.leak": [10.0, "big"]}, rv.ParameterError, "Value 1"),
        ({"exc.leak": [[1.0, 2.0, 3.0]]}, rv.ParameterError, "Value 0 of 'exc.leak'.*3"),
        ({"seed": [1.5]}, rv.ParameterError, "seed, value 0"),
        ({"initial": [3]}, rv.ParameterError, "SimulationState"),
        ({3: [1.0]}, rv.ParameterError, "sets"),
        ([1, 2], rv.ParameterError, "mapping"),
        ({}, rv.ParameterError, "sets is empty: say what changes"),
    ],
)
def test_sets_that_cannot_be_are_refused_before_anything_runs(sets, error, words, monkeypatch):
    monkeypatch.setattr("ranvier.simulation.Simulation.start", lambda *a, **k: pytest.fail("it ran"))
    with pytest.raises(error, match=words):
        rv.sweep(NET, sets, 10.0, dt=0.1)


def test_weights_and_delays_that_cannot_be_are_refused_before_anything_runs(monkeypatch):
    monkeypatch.setattr("ranvier.simulation.Simulation.start", lambda *a, **k: pytest.fail("it ran"))
    cells = rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    wire = rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(), [[0, 1], [1, 0]], weight=1.0, name="wire")
    for sets, words in (({"wire.delay": [1.0, 2.0, -1.0]}, "Value 2 of 'wire.delay'"), ({"wire.weight": [np.inf, 1.0]}, "Value 0")):
        with pytest.raises(rv.ParameterError, match=words):
            rv.sweep(rv.Network(cells, wire), sets, 10.0, dt=0.1)


def test_what_is_swept_is_not_given_for_all_sets_as_well():
    state = rv.simulate(NET, duration=1.0, dt=0.1).state
    for sets, how in (({"seed": [1, 2]}, {"seed": 3}), ({"initial": [state]}, {"initial": state})):
        with pytest.raises(rv.ParameterError, match="is swept, and given for all sets as well"):
            rv.sweep(NET, sets, 10.0, dt=0.1, **how)


def test_a_record_called_as_what_is_swept_is_refused():
    cells = rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    rule = rv.plasticity.PairSTDP(high=10.0)
    wire = rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(), [[0, 1], [1, 0]], weight=1.0, plasticity=rule, name="wire")
    how = {"duration": 1.0, "dt": 0.1}
    with pytest.raises(rv.ParameterError, match=r"wire.weight is swept, and a record .* name='weight_recorded'"):
        rv.sweep(rv.Network(cells, wire), {"wire.weight": [1.0, 2.0]}, record=rv.Record(wire, "weight"), **how)
    named = rv.Record(wire, "weight", name="weight_recorded")
    swept = rv.sweep(rv.Network(cells, wire), {"wire.weight": [1.0, 2.0]}, record=named, **how)
    assert swept["wire.weight_recorded"].isel(time=-1).values.tolist() == [[1.0, 1.0], [2.0, 2.0]]


def test_a_function_that_raises_is_named():
    with pytest.raises(ZeroDivisionError) as raised:
        rv.sweep(NET, {"exc.leak": [10.0]}, 1.0, dt=0.1, functions={"ratio": lambda run: 1 / 0})
    assert "The sweep's function 'ratio'" in raised.value.__notes__[0]


def test_zips_and_bounds_that_cannot_be_are_refused():
    with pytest.raises(rv.ParameterError, match=r"exc\.leak has 2 and exc.rest has 1 values"):
        rv.zipped({"exc.leak": [1.0, 2.0], "exc.rest": [1.0]})
    with pytest.raises(rv.ParameterError, match="low one must come first"):
        rv.latin_hypercube({"exc.leak": (2.0, 1.0)}, 4)
    with pytest.raises(rv.ParameterError, match="swept twice"):
        rv.zipped({"exc.leak": [1.0, 2.0]}) * {"exc.leak": [3.0]}
    with pytest.raises(rv.ParameterError, match="above 0"):
        rv.sobol({"exc.leak": (0.0, 1.0)}, 4, log=True)


def test_quantities_are_converted_and_wrong_dimensions_refused():
    ureg = pytest.importorskip("pint").UnitRegistry()
    seen = rv.sweep(NET, {"exc.refractory": [1000.0, 2000.0] * ureg.us}, 10.0, dt=0.1)
    assert seen["exc.refractory"].values.tolist() == [1.0, 2.0] and seen["exc.refractory"].attrs["units"] == "ms"
    with pytest.raises(rv.UnitError, match=r"Value 0 of 'exc\.refractory'"):
        rv.sweep(NET, {"exc.refractory": [1.0 * ureg.mV]}, 10.0, dt=0.1)


def test_what_is_settled_in_a_prepared_network_is_not_given_again():
    sim = rv.prepare(NET, dt=0.1)
    with pytest.raises(rv.ParameterError, match="dt is settled"):
        rv.sweep(sim, {"seed": [1]}, 10.0, dt=0.1)
    seen = rv.sweep(sim, {"seed": [1, 2]}, 10.0)
    assert "exc.V" not in seen and sim.records is None


def test_a_batch_that_does_not_fit_is_halved_until_it_does(monkeypatch):
    tried = []
    together = Runner._side_by_side

    def short_of_memory(self, indices):
        tried.append(len(indices))
        if len(indices) > 3:
            raise MemoryError
        return together(self, indices)

    monkeypatch.setattr(Runner, "_side_by_side", short_of_memory)
    leaks = {"exc.leak": np.linspace(8.0, 12.0, 8)}
    halved = rv.sweep(NET, leaks, 30.0, dt=0.1, batch=8, exact=False)
    assert max(tried) > 3 and halved.attrs["computed"] == "2 sets side by side"
    monkeypatch.undo()
    xarray.testing.assert_equal(halved, rv.sweep(NET, leaks, 30.0, dt=0.1, batch=8, exact=False))
