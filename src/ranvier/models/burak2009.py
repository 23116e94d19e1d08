"""Grid cells of Burak and Fiete: a sheet of rates on which a pattern moves as an animal does."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.connect import all_to_all, by_distance
from ranvier.connect.pairs import PairFunction
from ranvier.errors import ParameterError
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons import ThresholdLinearRate
from ranvier.random import Key, uniform
from ranvier.stimuli import Constant, Sampled, Stimulus
from ranvier.synapses import GradedCurrent

BETA = 3.0 / 13.0**2  # 1/neurons²: how far inhibition reaches
GAMMA = 1.05 * BETA
SHIFT = 2.0  # neurons by which a neuron's outgoing weights lie towards its direction
VELOCITY_GAIN = 0.10315  # s/m
TAU = 10.0  # ms
GAIN = 5.0
SETTLING = 1000.0  # ms
BOX = 1.8  # m
FASTEST = 1.0  # m/s
TURN = 0.5  # rad
LONGEST = 600_000.0  # ms of the path that is made where none is given


def _side(value: Any, what: str) -> int:
    side = doors.count(value, what, low=8, high=512)
    if side % 2:
        raise ParameterError(f"{what}: {side} is odd; neurons of four directions lie two by two, so that the side is an even number.")
    return side


def _velocity(value: Any, what: str) -> Any:
    if value is None:
        return None
    array = doors.numbers(value, what, rank=(2,), example="numbers [samples, 2], in m/s")
    if array.shape[1] != 2 or not len(array):
        raise ParameterError(f"{what}: it has the shape {array.shape}; it must be [samples, 2], the velocity along x and y in m/s.")
    return array


def _every(value: Any, what: str) -> float:
    return doors.number(value, what, unit="ms", low=1.0, high=SETTLING)


@doors.checked(side=_side, velocity=_velocity, every=_every, seed=doors.seed)
def grid_cells(side: int = 32, velocity: Any = None, *, every: float = 20.0, seed: int = 0) -> Network:
    """Grid cells: a pattern of activity on a sheet of neurons moves as the animal does, and so knows where it is.

    The sheet's edges are joined. Every neuron inhibits those around it, and most a ring of them, so that activity breaks up into a
    lattice of bumps. Its outgoing weights lie a little towards one of four directions, and what tells it the animal's velocity is
    strongest when the animal goes there: so the lattice flows. Each neuron then fires at the corners of a triangular lattice in the
    room.

    Args:
        side: neurons along a side of the sheet, an even number (the paper has 128). Where a triangular lattice hardly fits, such as 40,
            the pattern is a square one.
        velocity: of the animal along x and y (m/s), `[samples, 2]`; it begins after a second in which the pattern forms and settles.
            By default the animal wanders for ten minutes (`wander`).
        every: the time between samples (ms).
        seed: of the path, where none is given.

    Returns:
        A network with the population `"sheet"`, neurons row by row. Run it with `dt=0.5` and `rv.ExponentialEuler()`. What moves is
        its variable `"rate"`; `followed` says where the pattern went.

    Source: Burak & Fiete 2009, PLoS Comput Biol 5:e1000291, eqs. 1-4. The gain of 5 is in the authors' program, not in the paper;
    without it, the uniform state is stable.

    Example:
        >>> import numpy as np
        >>> import ranvier as rv
        >>> net = rv.models.grid_cells(velocity=np.tile([0.5, 0.0], (25, 1)))
        >>> sheet = rv.Record("sheet", "rate", every=20.0)
        >>> run = rv.simulate(net, duration=1500.0, dt=0.5, integrator=rv.ExponentialEuler(), record=sheet)
        >>> moved = rv.models.burak2009.followed(run["sheet"]["rate"])[[50, -1]]  # neurons
        >>> bool(22.0 < (moved[1, 0] - moved[0, 0]) / 0.48 < 28.0)  # neurons a second, along x
        True
    """
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(side), np.arange(side), indexing="ij"))
    places = np.stack([x, y], axis=1).astype(float)
    angle = np.pi / 2 * (2 * (x % 2) + y % 2)
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1).round(12)
    if velocity is None:
        velocity = wander(LONGEST, every, seed).velocity
    first = np.arange(0.0, SETTLING, every)
    flow = 0.8 * np.array([np.sin(np.pi / 5), np.cos(np.pi / 5)]) * (first < SETTLING / 2)[:, None]
    heard = np.concatenate([flow, velocity])
    current: Stimulus = Constant(1.0)
    for axis in (0, 1):
        current = current + Sampled(heard[:, axis], every=every) * (VELOCITY_GAIN * direction[:, axis])
    cells = ThresholdLinearRate(tau=TAU, gain=GAIN)
    sheet = Population(side * side, cells, current=current, initial={"rate": uniform(0.0, 1.0)}, name="sheet")
    ring = by_distance(Ring(), places + SHIFT * direction, places, extent=float(side))
    return Network(sheet, Projection(sheet, sheet, GradedCurrent("rate"), all_to_all(), weight=ring, name="ring"))


@dataclasses.dataclass(frozen=True)
class Ring(PairFunction):
    """`exp(−inner d²) − exp(−outer d²)` of a distance d: inhibition that is strongest some way off.

    Example:
        >>> Ring()(np.array([0.0, 7.0])).round(3)
        array([ 0.   , -0.018])
    """

    inner: float = GAMMA
    outer: float = BETA

    def __call__(self, distance: np.ndarray) -> np.ndarray:
        return np.exp(-self.inner * distance**2) - np.exp(-self.outer * distance**2)


@dataclasses.dataclass(frozen=True)
class Path:
    """Where an animal went.

    Attributes:
        position: `[samples, 2]`, in m, at the beginning of each sample.
        velocity: `[samples, 2]`, in m/s, until the next.
    """

    position: np.ndarray
    velocity: np.ndarray


@doors.checked(duration=doors.duration, every=_every, seed=doors.seed, box=doors.positive)
def wander(duration: float, every: float = 20.0, seed: int = 0, box: float = BOX) -> Path:
    """The path of an animal that wanders about a square box, at up to 1 m/s, and turns away from its walls.

    Args:
        duration: of the path (ms).
        every: the time between samples (ms).
        seed: which path.
        box: a side of the box (m).

    Example:
        >>> path = wander(10_000.0, seed=1)
        >>> path.position.shape, bool(abs(path.position).max() <= 0.9)
        ((500, 2), True)
    """
    n = max(1, round(duration / every))
    key = Key(seed).child("path")
    turns, faster = key.child("turn").normal(n), key.child("speed").normal(n)
    share = np.sqrt(every / 100.0)
    heading, speed, here = 0.0, 0.3, np.zeros(2)
    position, velocity = np.zeros((n, 2)), np.zeros((n, 2))
    for i in range(n):
        speed = float(np.clip(speed + 0.1 * share * faster[i] - 0.002 * every * (speed - 0.3), 0.0, FASTEST))
        heading += TURN * share * float(turns[i])
        step = speed * np.array([np.cos(heading), np.sin(heading)])
        outside = abs(here + step * every / 1000.0) > box / 2
        if outside.any():
            step = np.where(outside, -step, step)
            heading = float(np.arctan2(step[1], step[0]))
        position[i], velocity[i] = here, step
        here = here + step * every / 1000.0
    return Path(position, velocity)


def path_of(network: Network) -> Path:
    """The path that `grid_cells` was given or made, from the end of the first second on.

    Example:
        >>> path_of(grid_cells(velocity=np.tile([0.5, 0.0], (3, 1)))).position.tolist()
        [[0.0, 0.0], [0.01, 0.0], [0.02, 0.0]]
    """
    along_y: Any = network.populations["sheet"].current
    along_x = along_y.first
    samples = [scaled.stimulus for scaled in (along_x.second, along_y.second)]
    every = float(samples[0].every)
    velocity = np.stack([np.asarray(s.values) for s in samples], axis=1)[len(np.arange(0.0, SETTLING, every)) :]
    position = np.cumsum(velocity, axis=0) * every / 1000.0
    return Path(np.concatenate([np.zeros((1, 2)), position[:-1]]), velocity)


MODES = 4


def followed(rate: Any) -> np.ndarray:
    """How far the pattern on the sheet has moved (neurons), `[rows, 2]`, from rates `[rows, neurons]` that follow each other closely.

    It is read from the phases of the pattern's strongest waves; between two rows the pattern must move less than a quarter of its
    period.

    Example:
        >>> x = np.arange(32)
        >>> waves = [np.cos(2 * np.pi * 2 / 32 * (x - d))[:, None] + np.cos(2 * np.pi * 2 / 32 * x) for d in (0.0, 1.0, 2.0)]
        >>> followed(np.reshape(waves, (3, -1)))[:, 0].round(3)
        array([0., 1., 2.])
    """
    rate = np.asarray(rate, np.float64)
    side = round(np.sqrt(rate.shape[-1]))
    waves = np.fft.fft2(rate.reshape(-1, side, side))
    numbers = np.fft.fftfreq(side, 1.0 / side)
    kx, ky = (k.ravel() for k in np.meshgrid(numbers, numbers, indexing="ij"))
    half = np.flatnonzero((kx > 0) | ((kx == 0) & (ky > 0)))  # the others are their mirror images
    power = (abs(waves) ** 2).mean(axis=0).ravel()
    strongest = half[np.argsort(-power[half])[:MODES]]
    phase = np.unwrap(np.angle(waves.reshape(len(waves), -1)[:, strongest]), axis=0)
    k = 2.0 * np.pi / side * np.stack([kx[strongest], ky[strongest]], axis=1)
    weight = np.sqrt(power[strongest])[:, None]
    return np.linalg.lstsq(k * weight, -(phase - phase[0]).T * weight, rcond=None)[0].T


def rate_map(rate: Any, position: Any, bins: int = 36, box: float = BOX) -> np.ndarray:
    """The mean rate of one neuron at each place of the box, `[bins, bins]` along x and y; NaN where the animal never was.

    Args:
        rate: of the neuron, `[samples]`.
        position: of the animal at each, `[samples, 2]` (m), the box's middle at 0.
        bins: along a side.
        box: a side (m).

    Example:
        >>> rate_map([1.0, 3.0, 2.0], [[-0.5, -0.5], [-0.4, -0.4], [0.5, 0.5]], bins=2)
        array([[ 2., nan],
               [nan,  2.]])
    """
    rate, position = np.asarray(rate, np.float64), np.asarray(position, np.float64)
    at = np.clip(((position / box + 0.5) * bins).astype(int), 0, bins - 1)
    place = at[:, 0] * bins + at[:, 1]
    visits = np.bincount(place, minlength=bins * bins)
    total = np.bincount(place, weights=rate, minlength=bins * bins)
    return np.where(visits, total / np.maximum(visits, 1), np.nan).reshape(bins, bins)


def grid_score(rates: np.ndarray, box: float = BOX) -> float:
    """How triangular a rate map is: how much more it is like itself turned by 60° and 120° than by 30°, 90° and 150°.

    It is the difference of the least and the largest of these correlations, of the map's correlation with itself on the ring of its
    six nearest peaks; above 0 for triangles, below for squares, at most 2.

    Source: Sargolini et al. 2006, Science 312:758.

    Example:
        >>> x, y = np.meshgrid(np.linspace(-0.9, 0.9, 36), np.linspace(-0.9, 0.9, 36))
        >>> waves = [np.cos(2 * np.pi / 0.4 * (x * np.cos(a) + y * np.sin(a))) for a in np.pi / 3 * np.arange(3)]
        >>> grid_score(sum(waves)) > 1.0 > 0.0 > grid_score(np.cos(16.0 * x) + np.cos(16.0 * y))
        True
    """
    from scipy.ndimage import rotate
    from scipy.signal import fftconvolve

    seen = np.isfinite(rates).astype(float)
    centred = np.where(seen > 0, np.nan_to_num(rates) - np.nanmean(rates), 0.0)
    overlap = np.maximum(fftconvolve(seen, seen[::-1, ::-1]), 1.0)
    alike = fftconvolve(centred, centred[::-1, ::-1]) / overlap
    middle = len(rates) - 1
    apart = np.hypot(*np.meshgrid(*[np.arange(alike.shape[0]) - middle] * 2, indexing="ij")) * box / len(rates)
    nearest = _first_ring(alike, apart)
    ring = (apart > 0.5 * nearest) & (apart < 1.5 * nearest)
    turned = {a: np.corrcoef(alike[ring], rotate(alike, a, reshape=False, order=1)[ring])[0, 1] for a in (30, 60, 90, 120, 150)}
    return float(min(turned[60], turned[120]) - max(turned[30], turned[90], turned[150]))


def _first_ring(alike: np.ndarray, apart: np.ndarray) -> float:
    """How far the peaks next to the middle of a correlation are."""
    from scipy.ndimage import maximum_filter

    peak = (alike == maximum_filter(alike, 5)) & (apart > 0) & (alike > 0.1 * alike.max())
    distances = np.sort(apart[peak])
    return float(np.median(distances[:6])) if len(distances) else float(apart.max() / 2)
