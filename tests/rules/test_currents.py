"""Currents that keep their value but for jumps, on linear and other cells."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.stimuli import Sampled, SquarePulse, Steps

TAU, CAPACITANCE, REST = 10.0, 1.0, -65.0
CELL = rv.neurons.Passive(capacitance=CAPACITANCE, leak=CAPACITANCE / TAU, rest=REST)


def solved(edges, values, t):
    """The potential of CELL under the current `values[i]` from `edges[i]` on: sums of exponentials, on paper."""
    V = np.zeros_like(t)
    for edge, jump in zip(edges, np.diff([0.0, *values]), strict=True):
        after = np.maximum(t - edge, 0.0)
        V += jump * TAU / CAPACITANCE * -np.expm1(-after / TAU)
    return REST + V


@pytest.mark.parametrize("dt", [0.1, 0.3, 1.0])
@pytest.mark.parametrize(
    ("current", "edges", "values"),
    [
        (SquarePulse(2.0, start=3.0, stop=9.0), [3.0, 9.0], [2.0, 0.0]),
        (Steps([3.0, 6.0, 9.0], [1.0, -2.0, 0.5]), [3.0, 6.0, 9.0], [1.0, -2.0, 0.5]),
        (Sampled([0.0, 1.0, 4.0, 2.0], every=3.0), [3.0, 6.0, 9.0], [1.0, 4.0, 2.0]),
        (2.0 * SquarePulse(2.0, start=3.0) + 1.0, [0.0, 3.0], [1.0, 5.0]),
    ],
    ids=["pulse", "steps", "samples", "a sum"],
)
def test_jumps_between_steps_are_exact_by_default(dt, current, edges, values):
    run = rv.simulate(CELL, current=current, duration=15.0, dt=dt)
    assert run.info["integrator"] == "ExactLinear"
    np.testing.assert_allclose(run.V.values[:, 0], solved(edges, values, run.V.time.values), rtol=0, atol=1e-11)


@pytest.mark.parametrize("integrator", [rv.ExactLinear(), rv.ExponentialEuler(), rv.Euler()])
def test_nothing_moves_before_the_onset(integrator):
    run = rv.simulate(CELL, current=SquarePulse(5.0, start=0.9), duration=3.0, dt=0.3, integrator=integrator)
    V = run.V.values[:, 0]
    assert (V[:4] == REST).all() and V[4] > REST


@pytest.mark.parametrize(
    "current",
    [
        SquarePulse(10.0, start=1.02, stop=1.05),
        Steps([1.02, 1.05], [10.0, 0.0]),
        Sampled(np.r_[np.zeros(102), np.full(3, 10.0), np.zeros(300)], every=0.01),
        SquarePulse(10.0, start=1.08, stop=1.11),
        Sampled(np.r_[np.zeros(34), 10.0, np.zeros(99)], every=0.03),
    ],
    ids=["pulse", "steps", "samples", "over the end of a step", "samples over the ends of steps"],
)
def test_what_is_shorter_than_a_step_delivers_its_charge(current):
    """.3 of charge on a capacitance of 1, at a moment that is known to a step."""
    run = rv.simulate(CELL, current=current, duration=3.0, dt=0.1)
    t = run.V.time.values
    late = t > 1.3
    V = (run.V.values[:, 0] - REST)[late]
    assert ((0.3 * np.exp(-(t[late] - 1.0) / TAU) <= V + 1e-12) & (0.3 * np.exp(-(t[late] - 1.2) / TAU) + 1e-12 >= V)).all()


def test_samples_finer_than_a_step_act_by_their_mean():
    rng = np.random.default_rng(1)
    fine = rng.normal(size=(400, 2))
    cells = rv.Population(2, CELL, name="cells")
    fast = rv.simulate(cells, current=Sampled(fine, every=0.025), duration=10.0, dt=0.1)
    mean = rv.simulate(cells, current=Sampled(fine.reshape(100, 4, 2).mean(axis=1), every=0.1), duration=10.0, dt=0.1)
    np.testing.assert_allclose(fast.V.values, mean.V.values, rtol=0, atol=1e-12)


def test_the_mean_of_a_current_is_its_integral():
    stimuli = [
        SquarePulse(3.0, start=0.37, stop=[1.21, 2.0]),
        Steps([0.3, 0.31, 1.7, 1.95], [1.0, -4.0, 2.0, 0.0]),
        Sampled(np.arange(7.0), every=0.23),
        Sampled(np.arange(14.0).reshape(7, 2), every=0.9),
    ]
    fine = np.arange(0.0, 3.0, 1e-4) + 5e-5
    for stimulus in [*stimuli, 0.5 * stimuli[0] + stimuli[1]]:
        ready = stimulus.over_steps(0.5)
        values = np.stack([np.broadcast_to(v, (2,)) for v in jax.vmap(stimulus)(fine)])
        for k in range(6):
            t, t_next = 0.5 * k, 0.5 * (k + 1)
            mean = values[(fine > t) & (fine < t_next)].mean(axis=0)
            np.testing.assert_allclose(np.broadcast_to(ready.average(t, t_next), (2,)), mean, rtol=0, atol=1e-3)


def test_gradients_pass_through_the_mean():
    sim = rv.prepare(rv.Population(1, CELL, current=SquarePulse(2.0, start=1.02, stop=1.05), name="cell"), dt=0.1)
    end = lambda p: sim.function(steps=30, surrogate=rv.surrogates.FixedSpikes())(p, sim.state())[0].neurons["cell"]["V"][0]
    with jax.enable_x64(True):
        slope = jax.grad(end)({"cell.current.amplitude": jnp.asarray(2.0), "cell.current.stop": jnp.asarray(1.05)})
    decayed = np.exp(-1.9 / TAU)
    np.testing.assert_allclose(slope["cell.current.amplitude"], 0.03 * decayed, rtol=0.01)
    np.testing.assert_allclose(slope["cell.current.stop"], 2.0 * decayed, rtol=0.01)


@pytest.mark.parametrize("current", [SquarePulse(2.0, start=1.0, stop=1.5), Steps([1.0, 1.5], [2.0, 0.0])], ids=lambda x: type(x).__name__)
def test_a_jump_between_two_steps_has_a_derivative_too(current):
    sim = rv.prepare(rv.Population(1, CELL, current=current, name="cell"), dt=0.1)
    end = lambda at: sim.function(steps=30, surrogate=rv.surrogates.FixedSpikes())(at, sim.state())[0].neurons["cell"]["V"][0]
    pulse = isinstance(current, SquarePulse)
    given = {"start": 1.0, "stop": 1.5} if pulse else {"times": np.array([1.0, 1.5])}
    with jax.enable_x64(True):
        slope = jax.grad(end)({f"cell.current.{name}": jnp.asarray(x) for name, x in given.items()})
    found = [float(x) for x in slope.values()] if pulse else slope["cell.current.times"]
    np.testing.assert_allclose(found, [-2.0 * np.exp(-2.0 / TAU), 2.0 * np.exp(-1.5 / TAU)], rtol=0.02)


def test_other_methods_say_that_they_may_not_see_a_short_pulse():
    pulse = SquarePulse(10.0, start=1.02, stop=1.05)
    with pytest.warns(UserWarning, match=r"a pulse of 0\.03 ms, which is shorter than dt = 0\.1 ms.*0\.3 of the amplitude") as said:
        rv.simulate(rv.neurons.HodgkinHuxley(), current=pulse, duration=1.0, dt=0.1)
    assert said[0].filename == __file__
    held = rv.simulate(rv.neurons.HodgkinHuxley(), current=pulse, duration=2.0, dt=0.1, integrator=rv.ExponentialEuler())
    still = rv.simulate(rv.neurons.HodgkinHuxley(), duration=2.0, dt=0.1, integrator=rv.ExponentialEuler())
    assert abs(held.V.values[11, 0] - still.V.values[11, 0] - 0.3) < 0.01  # 1 µF/cm²
    with pytest.warns(UserWarning, match="holds for 0.02 ms"):
        rv.simulate(rv.neurons.HodgkinHuxley(), current=Steps([1.0, 1.02], [1.0, 0.0]), duration=1.0, dt=0.1)


def test_a_user_s_own_current_may_say_that_it_jumps():
    class Alternating(rv.Stimulus):
        piecewise_constant = True

        def __call__(self, t):
            return jnp.where(jnp.floor(t + 1e-9) % 2 == 0, 1.0, -1.0)

    run = rv.simulate(CELL, current=Alternating(), duration=8.0, dt=0.5)
    assert run.info["integrator"] == "ExactLinear"
    edges = np.arange(8.0)
    np.testing.assert_allclose(run.V.values[:, 0], solved(edges, 1.0 - 2.0 * (edges % 2), run.V.time.values), rtol=0, atol=1e-11)
