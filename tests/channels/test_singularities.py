"""Where a rate written out would be 0/0, it has its limit, and its slope too, in both precisions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.channels import ratio_to_expm1

C = rv.channels
POINTS = [
    (C.BazhenovSodium, -37.0),
    (C.BazhenovSodium, -10.0),
    (C.BazhenovPotassium, -35.0),
    (C.HodgkinHuxleySodium, -40.0),
    (C.HodgkinHuxleyPotassium, -55.0),
    (C.TraubMilesSodium, -50.0),
    (C.TraubMilesSodium, -23.0),
    (C.TraubMilesPotassium, -48.0),
    (C.ConnorStevensSodium, -29.7),
    (C.ConnorStevensPotassium, -45.7),
    (C.WangBuzsakiSodium, -35.0),
    (C.WangBuzsakiPotassium, -34.0),
]


def everything(channel, V):
    """The derivatives of gates at 0.3, and the current."""
    gates = {name: jnp.full_like(V, 0.3) for name in channel.initial_gates(V)}
    return jnp.stack([channel.current(gates, V), *channel.gate_derivatives(gates, V).values(), *channel.initial_gates(V).values()])


@pytest.mark.parametrize(("channel", "V"), POINTS, ids=lambda x: x.__name__ if isinstance(x, type) else f"{x:g}mV")
def test_the_limit_and_its_slope(channel, V):
    """They lie between the values 10⁻⁴ mV on either side, whose distance is 10⁻⁴ of anything here."""
    with jax.enable_x64(True):
        at = lambda V: everything(channel(), jnp.asarray([V], float))[:, 0]
        value, slope = jax.jvp(at, (V,), (1.0,))
        below, above = at(V - 1e-4), at(V + 1e-4)
        np.testing.assert_allclose(value, (below + above) / 2, rtol=1e-8)
        np.testing.assert_allclose(slope, (above - below) / 2e-4, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("channel", "V"), POINTS, ids=lambda x: x.__name__ if isinstance(x, type) else f"{x:g}mV")
def test_single_precision(channel, V):
    at = lambda V: everything(channel(), V[None])[:, 0]
    value, slope = jax.jvp(at, (jnp.float32(V),), (jnp.float32(1.0),))
    assert value.dtype == slope.dtype == jnp.float32
    with jax.enable_x64(True):
        exact, exact_slope = jax.jvp(lambda V: everything(channel(), V[None])[:, 0], (jnp.float64(V),), (jnp.float64(1.0),))
    np.testing.assert_allclose(value, exact, rtol=2e-5)  # float32 has 6·10⁻⁸, and V − V₀ loses two digits of it
    np.testing.assert_allclose(slope, exact_slope, rtol=2e-3, atol=1e-5)


def test_the_ratio_is_exact_on_both_sides_of_its_series():
    """Against expm1, which NumPy has to the last bit, across the switch to the series at 10⁻³."""
    x = np.concatenate([s * np.logspace(-12, 1.5, 400) for s in (-1, 1)])
    with jax.enable_x64(True):
        ours = np.asarray(ratio_to_expm1(jnp.asarray(x)))
    np.testing.assert_allclose(ours, x / np.expm1(x), rtol=3e-13)  # exp(x) − 1 loses three digits at 10⁻³
    assert float(ratio_to_expm1(jnp.float32(0.0))) == 1.0
    assert float(jax.grad(ratio_to_expm1)(jnp.float32(0.0))) == -0.5
