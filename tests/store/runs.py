"""What the tests of stores run: small networks, and how runs are compared."""

import numpy as np

import ranvier as rv


def small_network(n=40):
    """Spiking and irregular within milliseconds, with delays, refractory periods and randomly drawn parts."""
    lif = rv.neurons.LeakyIntegrateAndFire(capacitance=200, leak=10, rest=-60, threshold=-50, reset=-60, refractory=2.0)
    cells = rv.Population(n, lif, initial={"V": rv.normal(-55, 5)}, current=rv.uniform(150, 900), name="cells")
    others = rv.Population(n // 4, lif, initial={"V": rv.normal(-55, 5)}, current=500.0, name="others")
    synapse = rv.synapses.ExponentialConductance(tau=5, reversal=0)
    return rv.Network(
        cells,
        others,
        rv.Projection(cells, [cells, others], synapse, rv.connect.pairwise_bernoulli(0.2), weight=1.0, delay=1.5),
        rv.Projection(others, cells, rv.synapses.ExponentialConductance(tau=10, reversal=-80), rv.connect.all_to_all(), weight=0.3),
    )


def records():
    """Every kind of record."""
    return [
        rv.Record("cells", "V", every=0.5),
        rv.Record("cells", "synaptic_current", every=1.0, neurons=[3, 1]),
        rv.Record("others", ["V", "last_spike"], windows=[(0, 5), (11, 19)]),
        rv.Record("cells", "V", reduce="mean", every_steps=3),
        rv.Record("others", "V", reduce=("percentile", 75), every=2.0),
    ]


def assert_same_run(one, other):
    """Spikes, records and states are equal bit for bit."""
    np.testing.assert_array_equal(one.spikes.steps, other.spikes.steps)
    np.testing.assert_array_equal(one.spikes.neurons, other.spikes.neurons)
    assert (one.spikes.start, one.spikes.stop) == (other.spikes.start, other.spikes.stop)
    theirs = {(r.part, r.variable): r for r in other.records}
    assert {(r.part, r.variable) for r in one.records} == set(theirs)
    for record in one.records:
        their = theirs[record.part, record.variable]
        np.testing.assert_array_equal(np.asarray(record.times), np.asarray(their.times))
        np.testing.assert_array_equal(np.asarray(record.values), np.asarray(their.values), err_msg=f"{record.variable} of {record.part}")
        assert np.asarray(record.values).tobytes() == np.asarray(their.values).tobytes()
    assert_same_state(one.state, other.state)


def assert_same_state(one, other):
    import jax

    mine, theirs = (jax.tree_util.tree_flatten_with_path(state)[0] for state in (one, other))
    assert [jax.tree_util.keystr(path) for path, _ in mine] == [jax.tree_util.keystr(path) for path, _ in theirs]
    for (path, a), (_, b) in zip(mine, theirs, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes(), jax.tree_util.keystr(path)
