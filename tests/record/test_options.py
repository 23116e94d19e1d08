"""Every way to record gives what can be computed from the full record."""

import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from tests.store.runs import small_network

HOW = {"duration": 12.0, "dt": 0.1, "seed": 3, "integrator": rv.ExponentialEuler()}


def run(*records, **how):
    return rv.simulate(small_network(), record=list(records), **{**HOW, **how})


@pytest.fixture(scope="module")
def full():
    return run(rv.Record("cells", "V"), rv.Record("others", "V"))


def test_every_so_many_steps(full):
    np.testing.assert_array_equal(run(rv.Record("cells", "V", every_steps=7))["cells"].V, full["cells"].V[::7])


def test_windows(full):
    V = run(rv.Record("cells", "V", every=0.3, windows=[(1, 2), (2.5, 3), (11.1, np.inf)]))["cells"].V
    steps = np.array([k for k in range(0, 121, 3) if 10 <= k <= 20 or 25 <= k <= 30 or 111 <= k <= 120])
    np.testing.assert_array_equal(np.rint(V.time / 0.1), steps)
    np.testing.assert_array_equal(V, full["cells"].V[steps])


@pytest.mark.parametrize(
    ("reduce", "name", "function"),
    [
        ("mean", "mean", np.mean),
        ("std", "std", np.std),
        ("min", "min", np.min),
        ("max", "max", np.max),
        ("sum", "sum", np.sum),
        (("percentile", 30), "percentile_30", lambda V, axis: np.percentile(V, 30, axis=axis)),
    ],
)
def test_reductions(full, reduce, name, function):
    result = run(rv.Record("cells", "V", reduce=reduce, every=0.5), rv.Record("others", "V", reduce=reduce, neurons=[4, 1, 3]))
    reduced = result["cells"][f"V.{name}"]
    assert reduced.dims == ("time",) and reduced.attrs["units"] == "mV"
    np.testing.assert_allclose(reduced, function(full["cells"].V.values[::5], axis=1), rtol=1e-12)  # another order of additions
    np.testing.assert_allclose(result["others"][f"V.{name}"], function(full["others"].V.values[:, [4, 1, 3]], axis=1), rtol=1e-12)


def first_two(V):
    return V[:2] ** 2


def test_functions(full):
    result = run(
        rv.Record("cells", "V", reduce=first_two),
        rv.Record("cells", lambda cells: jnp.max(cells["V"] + cells["synaptic_conductance"] * 0), name="highest"),
        rv.Record(None, lambda net: jnp.mean(net["cells"]["V"]) - jnp.mean(net["others"]["V"]), name="gap", unit="mV", every=1.0),
    )
    np.testing.assert_array_equal(result["cells"]["V.first_two"], full["cells"].V[:, :2] ** 2)
    np.testing.assert_array_equal(result["cells"]["highest"], full["cells"].V.max("neuron"))
    gap = result["network"]["gap"]
    assert gap.attrs["units"] == "mV" and gap.sizes == {"time": 13}
    np.testing.assert_allclose(gap, full["cells"].V[::10].mean("neuron") - full["others"].V[::10].mean("neuron"), rtol=1e-9)


def test_the_last_stretch(full):
    V = run(rv.Record("cells", "V", keep=2.0, every=0.2))["cells"].V
    np.testing.assert_array_equal(V, full["cells"].V[102::2])


def test_stop_conditions(full):
    told = []

    def busy(now):
        told.append((now.time, now.rates["cells"], float(now.state.neurons["cells"]["V"].max())))
        return now.time >= 6.0

    stopped = run(rv.Record("cells", "V", every=0.5), until=rv.Until(busy, every=1.5))
    assert [round(t, 9) for t, *_ in told] == [1.5, 3.0, 4.5, 6.0] and stopped.spikes.stop == 6.0
    np.testing.assert_array_equal(stopped["cells"].V, full["cells"].V[:61:5])
    inside = full.spikes["cells"].between(1.5, 3.0)
    assert told[1][1] == pytest.approx(len(inside) / 40 / 1.5e-3) and told[1][2] == float(full["cells"].V[30].max())
