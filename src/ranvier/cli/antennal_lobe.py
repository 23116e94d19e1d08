"""The pictures, the table and the words of `ranvier run locust`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ranvier.analysis.spectrum import SEGMENT, power_spectrum
from ranvier.cli.figures import Picture, connectivity_picture
from ranvier.errors import ParameterError
from ranvier.plot import heat_map, population_rate, raster, spectrum
from ranvier.plot.appearance import COLORS, loose_figure, panels, style

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from ranvier.result import Result

LOWEST, HIGHEST = 5.0, 100.0  # Hz: where a peak is looked for
FIELD = (15.0, 30.0)  # Hz: where the locust's field potential oscillates


def odor_window(run: Result) -> tuple[float, float]:
    """When the odor is there, as far as the run goes (ms)."""
    return min(100.0, run.spikes.stop), min(600.0, run.spikes.stop)


def pictures(run: Result) -> list[Picture]:
    """The pictures of the antennal lobe."""
    made = [
        Picture(
            "connectivity.png",
            "Who is wired to whom",
            "Rows are postsynaptic neurons, columns presynaptic ones. Projection neurons (PN) excite local neurons (LN); "
            "local neurons inhibit projection neurons and each other.",
            lambda: connectivity_picture(run),
        ),
        Picture(
            "raster.png",
            "Spikes",
            "Each mark is a spike; above them, the current into the neurons that the odor drives.",
            lambda: _raster(run),
        ),
        Picture(
            "voltage.png",
            "Membrane potentials",
            "A row for each neuron, projection neurons above, local neurons below.",
            lambda: _voltage(run),
        ),
    ]
    start, stop = odor_window(run)
    if stop - start >= 2 * 20.0:
        resolution = 1000 / min(SEGMENT, stop - start)
        made.append(
            Picture(
                "rate-and-spectrum.png",
                "Rhythm",
                f"Left: the rate of the projection neurons in bins of 5 ms, and their mean potential, which stands for the local field. "
                f"Right: their spectra while the odor is there ({start:g}–{stop:g} ms; Welch's method, resolution {resolution:.0f} Hz); "
                f"the band from {FIELD[0]:g} to {FIELD[1]:g} Hz is shaded.",
                lambda: _rhythm(run),
            )
        )
    made.append(
        Picture("calcium.png", "Calcium of the local neurons", "It rises with each calcium spike and decays slowly.", lambda: _calcium(run))
    )
    return made


def _raster(run: Result) -> Figure:
    figure = loose_figure(8.0, 5.0)
    above, below = panels(figure, [1, 4])
    run.plot.stimulus(ax=above)
    above.set_xlabel("")
    raster(run.spikes, ax=below)
    return figure


def _voltage(run: Result) -> Figure:
    figure = loose_figure(8.0, 6.4)
    axes = panels(figure, [3, 2])
    for ax, name in zip(axes, ("PN", "LN"), strict=True):
        heat_map(run[name].V, ax=ax)
        ax.set_ylabel(f"{name} neuron")
    axes[0].set_xlabel("")
    return figure


def mean_potential(run: Result) -> xarray.DataArray:
    """The mean potential of the projection neurons over time."""
    V = run["PN"].V
    return V.mean("neuron", keep_attrs=True)


def _rhythm(run: Result) -> Figure:
    figure = loose_figure(9.0, 4.6)
    start, stop = odor_window(run)
    with style():
        grid = figure.add_gridspec(2, 2, width_ratios=[2, 1])
        rate, rate_spectrum = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
        field, field_spectrum = figure.add_subplot(grid[1, 0], sharex=rate), figure.add_subplot(grid[1, 1], sharex=rate_spectrum)
    spikes = run["PN"].spikes
    population_rate(spikes, ax=rate, colors=COLORS[0])
    rate.set_ylabel("PN rate (Hz)")
    mean = mean_potential(run)
    field.plot(mean.time.values, mean.values, color="black", linewidth=0.9)
    field.set_ylabel("mean PN V (mV)")
    field.set_xlabel("time (ms)")
    field.margins(x=0)
    for ax in (rate, field):
        ax.axvspan(start, stop, color="#EEEEEE", zorder=0, linewidth=0)
    rate.text(start + 5, 0.98, "odor", transform=rate.get_xaxis_transform(), va="top", fontsize="small", color="#444444")
    for ax, values, color in ((rate_spectrum, spikes.population_rate(1.0), COLORS[0]), (field_spectrum, mean, "black")):
        spectrum(values, start=start, stop=stop, ax=ax, color=color)
        ax.axvspan(*FIELD, color="#EEEEEE", zorder=0, linewidth=0)
    for ax in (rate, rate_spectrum):
        ax.set_xlabel("")
        ax.tick_params(labelbottom=False)
    return figure


def _calcium(run: Result) -> Figure:
    figure = loose_figure(8.0, 3.0)
    ax = panels(figure, [1])[0]
    heat_map(run["LN"]["calcium.concentration"], ax=ax, cmap="cividis")
    ax.set_ylabel("LN neuron")
    return figure


def peak(values: xarray.DataArray, start: float, stop: float) -> tuple[float, float] | None:
    """The frequency of the highest power (Hz), and the field band's share of it all; None where the span is too short."""
    try:
        density = power_spectrum(values, start=start, stop=stop)
    except ParameterError:
        return None
    density = density.sel(frequency=slice(LOWEST, HIGHEST))
    total = float(density.sum())
    if stop - start < 2 * 20.0 or total <= 0:
        return None
    return float(density.idxmax()), float(density.sel(frequency=slice(*FIELD)).sum()) / total


def table(run: Result) -> list[tuple[str, str]]:
    """The rows that the command prints besides those of every run."""
    start, stop = odor_window(run)
    rows = []
    for what, values in (("mean PN potential", mean_potential(run)), ("PN rate", run["PN"].spikes.population_rate(1.0))):
        found = peak(values, start, stop)
        if found:
            rows.append((f"spectrum of {what}", f"highest at {found[0]:.0f} Hz; {found[1]:.0%} of 5–100 Hz lies in 15–30 Hz"))
    return rows


def words(run: Result) -> list[str]:
    """What is seen, in numbers of this run."""
    start, stop = odor_window(run)
    texts = []
    if stop > start:
        sentences = []
        for name, long in (("PN", "projection"), ("LN", "local")):
            spikes = run[name].spikes
            during = (spikes.times >= start) & (spikes.times < stop)
            counts = np.bincount(spikes.neurons[during], minlength=spikes.n)
            rate = counts.mean() / (stop - start) * 1000
            sentences.append(f"{int((counts > 0).sum())} of the {spikes.n} {long} neurons fire, the population at {rate:.1f} Hz")
        texts.append(f"While the odor is there ({start:g}–{stop:g} ms), " + "; ".join(sentences) + ".")
    found = peak(mean_potential(run), start, stop)
    if found:
        texts.append(
            f"The spectrum of the mean potential of the projection neurons is highest at {found[0]:.0f} Hz, and {found[1]:.0%} of its "
            f"power between 5 and 100 Hz lies between {FIELD[0]:g} and {FIELD[1]:g} Hz, where the field potential of the living antennal "
            "lobe oscillates (about 20 Hz). Half a second resolves a spectrum coarsely, and one random network is one sample: "
            "a peak in this picture alone proves no rhythm. What is common to several networks, with inhibition and without, "
            "is measured by benchmarks/antennal_lobe_spectrum.py."
        )
    return texts
