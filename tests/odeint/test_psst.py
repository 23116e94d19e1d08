"""A PSST user's Day 3 cell, written with TensorFlow operations, runs as it stands."""

import pathlib

import numpy as np
import pytest

from ranvier.odeint import odeint


def test_day_3_cell_in_tensorflow():
    tf = pytest.importorskip("tensorflow", reason="an optional extra of the package")
    C_m, g_K, E_K, g_Na, E_Na, g_L, E_L = 1.0, 10.0, -95.0, 100, 50, 0.15, -55.0

    # The equations of Day 3 (tests/reference: gates start at 0, 5 µA/cm²) on one vector [V, m, h, n], in TensorFlow.
    def steady_and_time(alpha, beta):
        return alpha / (alpha + beta), 1.0 / ((alpha + beta) * 3.0 ** ((22 - 36.0) / 10))

    def dXdt(X, t):
        V, m, h, n = X[0:1], X[1:2], X[2:3], X[3:4]
        v = V + 50
        m0, tm = steady_and_time(0.32 * (13.0 - v) / (tf.exp((13.0 - v) / 4.0) - 1.0), 0.28 * (v - 40.0) / (tf.exp((v - 40.0) / 5.0) - 1.0))
        h0, th = steady_and_time(0.128 * tf.exp((17.0 - v) / 18.0), 4.0 / (tf.exp((40.0 - v) / 5.0) + 1.0))
        n0, tn = steady_and_time(0.02 * (15.0 - v) / (tf.exp((15.0 - v) / 5.0) - 1.0), 0.5 * tf.exp((10.0 - v) / 40.0))
        current = g_Na * m**3 * h * (V - E_Na) + g_K * n**4 * (V - E_K) + g_L * (V - E_L)
        return tf.concat([(5 - current) / C_m, -(m - m0) / tm, -(h - h0) / th, -(n - n0) / tn], 0)

    t = np.arange(0, 20, 0.01)
    state = odeint(dXdt, tf.constant([-71, 0, 0, 0], dtype=tf.float64), t)

    published = np.load(pathlib.Path(__file__).parent.parent / "reference" / "day2.npz")["day3_V_first20ms"]
    np.testing.assert_allclose(state[:, 0].numpy(), published, atol=1e-9)
