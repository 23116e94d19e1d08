"""The pictures, the table and the words of `ranvier run grid_cells`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranvier.cli.figures import Picture
from ranvier.models.burak2009 import SETTLING, followed, path_of, rate_map
from ranvier.plot.appearance import COLORS, add_colour_bar, loose_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ranvier.result import Result

ACTIVE = 0.5  # share of a neuron's highest rate above which its place is marked
LEAST = 20  # rows from which a path can be read


class Followed:
    """A run's path beside what the sheet says it was.

    Attributes:
        rate: `[samples, neurons]`, after the second in which the pattern settles.
        true, told: where the animal was and where the pattern says it was, `[samples, 2]` (m).
        gain: neurons by which the pattern moves for a metre.
    """

    def __init__(self, run: Result):
        recorded = run["sheet"]["rate"]
        times, rate = recorded["time"].values, recorded.values
        late = times >= SETTLING
        self.rate, path = rate[late], path_of(run.network)
        every = (times[1] - times[0]) if len(times) > 1 else 20.0
        n = min(len(self.rate), len(path.position))
        self.rate, self.true = self.rate[:n], path.position[:n]
        self.seconds = np.arange(n) * every / 1000.0
        self.enough = n >= LEAST
        if self.enough:
            moved = followed(self.rate)
            back = np.linalg.lstsq(self.true, moved, rcond=None)[0]
            self.gain = float(np.sqrt(abs(np.linalg.det(back))))
            self.told = moved @ np.linalg.inv(back)
            self.error = 100.0 * np.linalg.norm(self.told - self.true, axis=1)
            self.length = float(np.linalg.norm(np.diff(self.true, axis=0), axis=1).sum())


def pictures(run: Result) -> list[Picture]:
    """The sheet, where one neuron fires in the room, the path that the sheet tells, and by how much it errs."""
    made = [Picture("sheet.png", "The sheet", "The rates of all neurons at the end: a lattice of bumps.", lambda: _sheet(run))]
    seen = Followed(run)
    if seen.enough:
        made += [
            Picture(
                "map.png",
                "A grid cell",
                "Left: the path, and where the neuron with the highest rate fires on it. Right: its mean rate at each place; white where "
                "the animal never was.",
                lambda: _map(seen),
            ),
            Picture(
                "path.png",
                "The path that the sheet tells",
                "Above: where the animal went, and where the pattern says it went. Below: how far apart the two are.",
                lambda: _path(seen),
            ),
        ]
    return made


def table(run: Result) -> list[tuple[str, str]]:
    """How far the pattern moved, and how well it tells the path."""
    seen = Followed(run)
    rows = [("highest rate", f"{float(np.max(run['sheet']['rate'].values)):.3g}")]
    if seen.enough:
        rows += [
            ("path", f"{seen.length:.3g} m in {seen.seconds[-1]:.4g} s"),
            ("the pattern moves", f"{seen.gain:.3g} neurons a metre"),
            ("error of the path", f"{seen.error.mean():.2g} cm on average, {seen.error.max():.2g} cm at most"),
        ]
    return rows


def words(run: Result) -> list[str]:
    """What is to be seen."""
    return [
        "Nothing tells the sheet where the animal is: it hears the velocity alone. Its lattice of bumps moves by as much, so that each "
        "neuron fires again and again at the corners of triangles. What errors there are add up; landmarks would correct them."
    ]


def _sheet(run: Result) -> Figure:
    figure = loose_figure(4.6, 4.0)
    with style():
        ax = figure.add_subplot()
    last = run["sheet"]["rate"].values[-1]
    side = round(np.sqrt(len(last)))
    image = ax.imshow(last.reshape(side, side).T, origin="lower", cmap="viridis")
    ax.set(xlabel="neuron along x", ylabel="neuron along y")
    add_colour_bar(ax, image, "rate")
    return figure


def _map(seen: Followed) -> Figure:
    figure = loose_figure(8.4, 4.0)
    with style():
        left, right = figure.subplots(1, 2)
    neuron = int(seen.rate.max(axis=0).argmax())
    one = seen.rate[:, neuron]
    fires = one > ACTIVE * one.max()
    left.plot(*seen.true.T, color="0.75", linewidth=0.6)
    left.plot(*seen.true[fires].T, ".", color=COLORS[1], markersize=3)
    half = max(abs(seen.true).max(), 0.1)
    image = right.imshow(
        rate_map(one, seen.true, 36, 2 * half).T, origin="lower", cmap="viridis", extent=(-half, half, -half, half), interpolation="nearest"
    )
    add_colour_bar(right, image, "rate")
    for ax in (left, right):
        ax.set(xlabel="x (m)", ylabel="y (m)", aspect="equal", xlim=(-half, half), ylim=(-half, half))
    return figure


def _path(seen: Followed) -> Figure:
    figure = loose_figure(7.0, 6.4)
    with style():
        above, below = figure.subplots(2, 1, height_ratios=[3, 1])
    above.plot(*seen.true.T, color="0.6", linewidth=1.5, label="the animal")
    above.plot(*seen.told.T, color=COLORS[0], linewidth=0.8, label="the pattern")
    above.set(xlabel="x (m)", ylabel="y (m)", aspect="equal")
    above.legend(frameon=False, loc="upper right")
    below.plot(seen.seconds, seen.error, color=COLORS[0])
    below.set(xlabel="time (s)", ylabel="error (cm)", ylim=(0, None))
    return figure
