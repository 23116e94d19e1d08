"""Events with reset: integrate-and-fire, the time of the last spike, kicks."""

import numpy as np
import pytest

from ranvier.errors import ParameterError
from ranvier.integrators import Euler
from ranvier.odeint import Event, odeint


def integrate_and_fire(library, current, t, **kwargs):
    xp = library.xp
    current = library.array(current)
    spike = Event(
        threshold=lambda y, t: y["V"] + 50.0,
        reset=lambda y, t, spiked: {
            "V": xp.where(spiked, -65.0 + 0 * y["V"], y["V"]),
            "last": xp.where(spiked, t + 0 * y["last"], y["last"]),
            "count": xp.where(spiked, y["count"] + 1, y["count"]),
        },
    )
    n = len(current)
    y0 = {"V": library.array(np.full(n, -65.0)), "last": library.array(np.full(n, -1e9)), "count": library.array(np.zeros(n))}
    f = lambda y, t: {"V": (-65.0 - y["V"] + current) / 10.0, "last": 0 * y["V"], "count": 0 * y["V"]}
    return odeint(f, y0, t, events=spike, **kwargs)


def test_integrate_and_fire_has_its_analytic_rate(library):
    current = np.array([10.0, 20.0, 40.0])
    y = integrate_and_fire(library, current, np.arange(0, 500.005, 0.01))
    count = library.numpy(y["count"])[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        period = 10 * np.log(current / (current - 15))
    expected = np.where(current > 15, np.floor(500 / np.where(current > 15, period, 1)), 0)
    assert np.abs(count - expected).max() <= 1
    assert library.numpy(y["V"]).max() < -50


def test_the_time_of_an_event_is_the_start_of_its_step(library):
    t = np.arange(0, 30, 0.1)
    y = integrate_and_fire(library, [25.0], t)
    count, last = library.numpy(y["count"])[:, 0], library.numpy(y["last"])[:, 0]
    first = int(np.argmax(count == 1))
    assert last[first] == t[first - 1]


def test_a_reset_without_crossing_and_with_it(library):
    def solve(**level):
        event = Event(lambda y, t: y["x"] - 1.0, lambda y, t, e: {"x": y["x"], "n": library.xp.where(e, y["n"] + 1, y["n"])}, **level)
        y0 = {"x": library.array([0.0, 2.0]), "n": library.array([0.0, 0.0])}
        f = lambda y, t: {"x": 0 * y["x"] + 1.0, "n": 0 * y["n"]}
        return library.numpy(odeint(f, y0, np.linspace(0, 2, 9), Euler(), events=event)["n"])[-1]

    # x reaches 1 at the fourth of eight steps and stays above
    assert solve(level=True).tolist() == [5, 8]
    assert solve().tolist() == [1, 0]


def test_events_follow_in_order_and_a_kick_counts_in_the_next_step(library):
    xp = library.xp
    # Neuron 0 starts above its threshold and kicks neuron 1 over it; neuron 1 leaks, but has been above.
    event = Event(
        lambda y, t: y["V"] - 1.0,
        lambda y, t, e: {
            "V": xp.where(e, 0 * y["V"], y["V"]) + library.array([0.0, 1.0]) * xp.where(e[0], 1.0 + 0 * y["V"][0], 0 * y["V"][0]),
            "n": xp.where(e, y["n"] + 1, y["n"]),
        },
        level=True,
    )
    y0 = {"V": library.array([5.0, 0.0]), "n": library.array([0.0, 0.0])}
    y = odeint(lambda y, t: {"V": -y["V"], "n": 0 * y["n"]}, y0, [0.0, 0.5, 1.0, 1.5], Euler(), events=[event])
    assert library.numpy(y["n"])[1].tolist() == [1, 0]
    assert library.numpy(y["n"])[2].tolist() == [1, 1]


def test_arguments_reach_events(library):
    event = Event(lambda y, t, level: y - level, lambda y, t, e, level: library.xp.where(e, 0 * y, y))
    x = odeint(lambda y, t, level: 0 * y + 1.0, library.array([0.0]), np.arange(0, 2, 0.01), events=event, args=(0.5,))
    assert 0.48 < library.numpy(x).max() < 0.5


def test_a_reset_that_returns_something_else(library):
    event = Event(lambda y, t: y, lambda y, t, e: y[:1])
    with pytest.raises(ParameterError, match="The reset of event 0 returned the shape"):
        odeint(lambda y, t: -y, library.array([0.0, 1.0]), [0.0, 1.0], events=event)
