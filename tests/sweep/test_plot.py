"""`rv.plot.sweep` draws what a dataset holds: lines, heat maps, slices, points."""

import matplotlib
import numpy as np
import pytest
import xarray

import ranvier as rv

matplotlib.use("agg")


def dataset(**sizes):
    names = {"tau": "exc.tau", "leak": "exc.leak", "seed": "seed"}
    dims = [names[k] for k in sizes]
    coords = {d: (d, np.arange(1.0, n + 1), {"units": "ms"}) for d, n in zip(dims, sizes.values(), strict=True)}
    values = sum(np.meshgrid(*[10.0**i * np.arange(n) for i, n in enumerate(sizes.values())], indexing="ij"))
    return xarray.Dataset({"exc.mean_rate": (dims, values, {"units": "Hz", "long_name": "mean firing rate of exc"})}, coords)


def test_two_paths_are_lines_or_a_heat_map():
    few = rv.plot.sweep(dataset(tau=8, leak=3))
    assert [len(line.get_xdata()) for line in few.lines] == [8, 8, 8] and few.get_xlabel() == "exc tau (ms)"
    assert few.lines[2].get_ydata().tolist() == [20.0 + i for i in range(8)]
    many = rv.plot.sweep(dataset(tau=8, leak=9))
    np.testing.assert_array_equal(many.collections[0].get_array().reshape(9, 8), dataset(tau=8, leak=9)["exc.mean_rate"].values.T)


def test_slices_and_seeds():
    data = dataset(tau=4, leak=3, seed=5)
    ax = rv.plot.sweep(data, at={"exc.leak": 2.1, "seed": 1})
    assert ax.lines[0].get_ydata().tolist() == [10.0, 11.0, 12.0, 13.0]
    mean = rv.plot.sweep(data, x="exc.tau", at={"exc.leak": 1})
    assert mean.lines[0].get_ydata().tolist() == [200.0, 201.0, 202.0, 203.0] and len(mean.collections) == 1


def test_what_cannot_be_drawn_is_said():
    data = dataset(tau=4, leak=3)
    with pytest.raises(rv.UnknownNameError, match=r"exc\.leak"):
        rv.plot.sweep(data, lines="exc.leek")
    with pytest.raises(rv.UnknownNameError, match="mean_rate"):
        rv.plot.sweep(data, "exc.rate")
    with pytest.raises(rv.ParameterError, match="dataset"):
        rv.plot.sweep(3)
    with pytest.raises(rv.ParameterError, match="one number"):
        rv.plot.sweep(data, at={"exc.leak": 1, "exc.tau": 2})
