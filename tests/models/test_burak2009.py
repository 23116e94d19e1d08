"""Grid cells (Burak & Fiete 2009): the pattern, how it follows velocity, and the path that it tells."""

import json
from pathlib import Path

import numpy as np
import pytest

import ranvier as rv
from ranvier.models.burak2009 import followed, grid_cells, wander
from tests.reproduces import record_reproduction

PAPER = "Burak & Fiete 2009, PLoS Comput Biol 5:e1000291"
KEPT = json.loads((Path(__file__).parents[2] / "benchmarks" / "results" / "grid_cells.json").read_text(encoding="utf-8"))
HOW = {"dt": 0.5, "integrator": rv.ExponentialEuler(), "record": rv.Record("sheet", "rate", every=20.0)}
PATH = wander(2000.0, seed=1)
SPEEDS, EACH = (0.2, 0.4, 0.8), 25  # m/s, samples of 20 ms


@pytest.fixture(scope="module")
def flow():
    """Half a second at each speed, all in one direction, after the second in which the pattern settles; then a path of two seconds."""
    direction = np.array([np.cos(0.3), np.sin(0.3)])
    velocity = np.repeat([s * direction for s in SPEEDS], EACH, axis=0)
    velocity = np.concatenate([velocity, PATH.velocity])
    return rv.simulate(grid_cells(velocity=velocity), duration=4500.0, **HOW)["sheet"]["rate"].values, direction


def test_the_pattern_is_that_of_the_most_unstable_wave(flow):
    """Waves of the uniform state grow by their weight's transform, and fastest where that is largest; those on the sheet are whole ones."""
    rate, _ = flow
    side = 32
    beta, shift = 3 / 13**2, 2.0
    k = 2 * np.pi * np.fft.fftfreq(side)
    square = k[:, None] ** 2 + k[None] ** 2
    gain = np.pi / (1.05 * beta) * np.exp(-square / (4.2 * beta)) - np.pi / beta * np.exp(-square / (4 * beta))
    gain = gain * (np.cos(shift * k)[:, None] + np.cos(shift * k)[None]) / 2  # the four directions
    grows = 5.0 * gain > 1.0
    power = abs(np.fft.fft2(rate[50].reshape(side, side))) ** 2
    power[0, 0] = 0.0
    strongest = np.argsort(-power.ravel())[:6]
    assert grows.ravel()[strongest].all()
    lengths = np.sqrt(square.ravel()[strongest])
    best = np.sqrt(square.ravel()[gain.argmax()])
    record_reproduction(
        "Grid cells", f"{PAPER}, eqs. 1-4: linear stability", "wave number of the pattern, per neuron", best, lengths.mean(), 0.1 * best
    )
    assert lengths.max() / lengths.min() < 1.15  # three waves of nearly one length: triangles, as far as a square sheet holds them


def test_the_pattern_follows_velocity_in_proportion(flow):
    rate, direction = flow
    moved = followed(rate) @ direction
    first = 50  # rows until the second has passed
    speed = [(moved[first + (i + 1) * EACH] - moved[first + i * EACH + 5]) / (20 * 0.02) / s for i, s in enumerate(SPEEDS)]
    record_reproduction(
        "Grid cells",
        f"{PAPER}: the response to velocity is linear",
        "speed of the pattern over that at 0.4 m/s, by speed",
        [1.0, 1.0],
        [speed[0] / speed[1], speed[2] / speed[1]],
        0.03,
    )


def test_the_path_and_the_maps_over_ten_minutes():
    """Kept numbers of benchmarks/grid_cells.py: the paper's networks keep a path for 1 to 10 minutes and 10 to 100 m, noise included."""
    runs = KEPT["runs"]
    assert len(runs) >= 2 and KEPT["minutes"] == 10.0
    period = 100 * 17.0 / runs[0]["neurons a metre"]  # cm between neighbouring bumps
    for run in runs:
        assert run["path (m)"] > 100.0
        record_reproduction(
            "Grid cells",
            f"{PAPER}: 1 to 10 minutes, 10 to 100 m",
            f"error of the path within a minute, of a period (seed {run['seed']})",
            0.0,
            run["largest error (cm) until"]["60 s"] / period,
            0.25,
        )
        assert run["grid score"]["median"] > 0.0


def test_a_path_is_told_from_rates_alone(flow):
    rate, _ = flow
    first = 50 + len(SPEEDS) * EACH
    moved = followed(rate[first : first + len(PATH.position)])
    back = np.linalg.lstsq(PATH.position, moved, rcond=None)[0]
    told = moved @ np.linalg.inv(back)
    assert np.linalg.norm(told - PATH.position, axis=1).max() < 0.02  # m
    assert 48 < np.sqrt(np.linalg.det(back)) < 54  # neurons a metre


def test_what_cannot_be_is_refused():
    with pytest.raises(rv.ParameterError, match="33 is odd"):
        grid_cells(33)
    with pytest.raises(rv.ParameterError, match=r"velocity: .*\[samples, 2\]"):
        grid_cells(velocity=np.zeros((4, 3)))
