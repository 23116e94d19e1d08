"""The figures of a run: `run.plot()` and its single panels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.analysis.intervals import steady_rate
from ranvier.errors import ParameterError, unknown
from ranvier.network.common import resolve
from ranvier.neurons.base import NeuronModel
from ranvier.plot import appearance, curves, histograms, over_time, phase, spike_times, wiring
from ranvier.plot.appearance import SMALL, colours_of, labelled, readable
from ranvier.plot.series import Series, as_series
from ranvier.plot.stimulus import current_of, distinct, draw_stimulus
from ranvier.plot.variation import variation
from ranvier.result import Spikes
from ranvier.subpopulation import Subpopulation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ranvier.result import Result

TRACES = 3  # of potentials, in the usual figure
RATE_FROM = 10  # neurons, below which a population rate says nothing that the raster does not
DRAWN_SPIKE = 20.0  # mV above the threshold: what models with a reset leave out


class ResultPlots:
    """Figures of a run. Each panel takes an `ax` and returns it; `run.plot()` returns the figure.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=10.0, duration=50.0)
        >>> [ax.get_ylabel() for ax in run.plot("V", "potassium.n").axes]
        ['V (mV)', 'potassium n', 'I (µA/cm²)']
    """

    def __init__(self, result: Result):
        self._result = result
        self._colours = colours_of(result.network.populations)

    # -- whole figures -------------------------------------------------------------------------

    def __call__(self, *variables: str, neurons: Any = None, part: Any = None, figure: Figure | None = None) -> Figure:
        """Draws the usual figure, or the variables named, over a shared time axis with the stimulus below.

        Args:
            variables: what to draw, such as `"V", "sodium.current"`. Without
                any: the raster, the population rate, some potentials where V
                was recorded, and the stimulus.
            neurons: which neurons' variables; by default at most three.
            part: of which population (or some of its neurons, `exc[:240]`) or projection; by default of all that recorded them.
            figure: an empty figure to draw into; a new one when left out.

        Returns:
            The figure; its `axes` are the panels from top to bottom.

        Raises:
            UnknownNameError: a variable was not recorded.
            ParameterError: nothing was recorded that could be drawn.
        """
        if variables:
            return self._of_variables(variables, neurons, part, figure)
        return self._usual(neurons, figure)

    def _usual(self, neurons: Any, figure: Figure | None) -> Figure:
        run = self._result
        spikes, potentials, stimuli = run.spikes, self._some_potentials(neurons), self._stimuli()
        shared: list[Axes] = []
        draws: list[tuple[float, Any]] = []
        if spikes.n > 1:
            draws.append((3.0, lambda ax: self.raster(ax=ax)))
        if spikes.n >= RATE_FROM:
            draws.append((1.3, lambda ax: self.population_rate(ax=ax)))
        for name, series in potentials:
            draws.append((2.2 if spikes.n == 1 else 1.2, lambda ax, n=name, s=series: self._potential(ax, n, s, shared)))
        if stimuli:
            draws.append((0.8, lambda ax: self._stimulus_panel(ax, stimuli)))
        if not draws:
            raise ParameterError(
                'There is nothing to draw: one neuron, and its V was not recorded. Run with record=[rv.Record(population, "V")].'
            )
        figure = self._draw(draws, figure)
        if shared:
            appearance.plain_numbers(shared[0], over_time.LEAST_SPAN.get(potentials[0][1].unit, 0.0))
        return figure

    def _of_variables(self, variables: tuple[str, ...], neurons: Any, part: Any, figure: Figure | None) -> Figure:
        run = self._result
        parts = list(run) if part is None else [run.network.find(_whole(part))[0]]
        draws: list[tuple[float, Any]] = []
        shown: list[str] = []
        for wanted in variables:
            if not isinstance(wanted, str):
                raise ParameterError(f"Variables are drawn by name, such as run.plot('V'), not by {wanted!r}.")
            having = [name for name in parts if _recorded(run[name], wanted)]
            if not having:
                known = {v for name in parts for v in run[name].variables}
                raise unknown("recorded variable", wanted, known)
            for name in having:
                series = as_series(self._recorded_of(name, part)[wanted], None, neurons, TRACES)
                title = name if len(having) > 1 or len(run.network.populations) > 1 else ""
                height = 1.6 if series.name == "V" else 1.2
                draws.append((height, lambda ax, p=name, n=title, s=series: self._panel(ax, p, n, s)))
                shown.append(name)
        stimuli = {name: series for name, series in self._stimuli().items() if name in shown and "injected_current" not in variables}
        if stimuli:
            draws.append((0.7, lambda ax: self._stimulus_panel(ax, stimuli)))
        return self._draw(draws, figure)

    def _draw(self, draws: list[tuple[float, Any]], figure: Figure | None) -> Figure:
        heights = [height for height, _ in draws]
        if figure is None:
            figure = appearance.new_figure(7.0, 1.1 * sum(heights) + 0.7)
        axes = appearance.panels(figure, heights)
        for ax, (_, draw) in zip(axes, draws, strict=True):
            draw(ax)
        for ax in axes[:-1]:
            ax.set_xlabel("")
        spikes = self._result.spikes
        if spikes.stop > spikes.start:
            axes[0].set_xlim(spikes.start, spikes.stop)
        figure.align_ylabels(axes)
        return figure

    # -- panels ------------------------------------------------------------------------------------

    def raster(self, *, part: Any = None, ax: Axes | None = None, **options: Any) -> Axes:
        """The spikes, each population in its colour, or those of a `part`. Options as in `rv.plot.raster`.

        `part` is here and below a population, its name, or some neurons of one, `exc[:240]`; here it may be a list of these.
        """
        return spike_times.raster(self._several(part), ax=ax, **options)

    def population_rate(self, *, part: Any = None, bin_width: float = spike_times.BINS, ax: Axes | None = None, **options: Any) -> Axes:
        """The mean rate of each population, or `part`, in bins of `bin_width` ms. Options as in `rv.plot.population_rate`."""
        return spike_times.population_rate(self._several(part), bin_width=bin_width, ax=ax, **options)

    def traces(self, variable: str = "V", *, part: Any = None, ax: Axes | None = None, **options: Any) -> Axes:
        """A variable's traces with the stimulus below. Options as in `rv.plot.traces`; `stimulus=None` leaves it out."""
        name = self._part_with(variable, part)
        options.setdefault("stimulus", self._stimuli().get(name))
        return over_time.traces(self._recorded_of(name, part)[variable], ax=ax, **options)

    def heat_map(self, variable: str = "V", *, part: Any = None, ax: Axes | None = None, **options: Any) -> Axes:
        """A variable of all neurons over time as colours. Options as in `rv.plot.heat_map`."""
        return over_time.heat_map(self._recorded_of(self._part_with(variable, part), part)[variable], ax=ax, **options)

    def spectrum(self, variable: str | None = None, *, part: Any = None, ax: Axes | None = None, **options: Any) -> Axes:
        """The spectrum of a variable's mean over neurons, or without one of the rate in 1 ms bins. Options as in `rv.plot.spectrum`."""
        if variable is None:
            return curves.spectrum(self._spikes(part).population_rate(1.0), ax=ax, **options)
        return curves.spectrum(self._recorded_of(self._part_with(variable, part), part)[variable], ax=ax, **options)

    def phase_plane(self, x: str = "V", y: str | None = None, *, part: Any = None, ax: Axes | None = None, **options: Any) -> Axes:
        """One variable against another; with nullclines where the model has two. Options as in `rv.plot.phase_plane`."""
        run = self._result
        name = self._part_with(x, part)
        if y is None:
            states = [v for v in run.state.neurons.get(name, {}) if v != run[name][x].name]
            if len(states) != 1:
                raise ParameterError(
                    f"Say what to draw {x} against: run.plot.phase_plane({x!r}, …). Recorded: {', '.join(run[name].variables)}."
                )
            y = states[0]
        recorded = self._recorded_of(name, part)
        first, second = recorded[x], recorded[y]
        population = run.network.populations.get(name)
        if population is not None and set(run.state.neurons[name]) == {first.name, second.name}:
            options.setdefault("model", population.model)
            stimulus = self._stimuli().get(name)
            if stimulus is not None and np.ptp(stimulus.values) == 0:
                options.setdefault("current", float(stimulus.values.flat[0]))
        return phase.phase_plane(first, second, ax=ax, **options)

    def fi_curve(self, *, part: Any = None, ax: Axes | None = None, **options: Any) -> Axes:
        """The rate of each neuron, once it has settled, against its mean injected current. Options as in `rv.plot.fi_curve`.

        The rate is `rv.analysis.steady_rate`: the spike that many cells fire when a current begins is not counted.
        """
        run = self._result
        name = self._population(part)
        stimulus = self._stimuli().get(name)
        n = run.network.populations[name].n
        if stimulus is None or stimulus.values.shape[1] not in (1, n) or n == 0:
            raise ParameterError(
                f"An f–I curve needs the current of each neuron of {name}; none was injected, or not that of all was kept."
            )
        options.setdefault("unit", stimulus.unit)
        currents = np.broadcast_to(stimulus.values.mean(axis=0), (n,))
        if isinstance(part, Subpopulation):
            currents = currents[part.neurons]
        return curves.fi_curve(currents, steady_rate(self._spikes(name if part is None else part)), ax=ax, **options)

    def intervals(self, *, part: Any = None, ax: Axes | None = None, **options: Any) -> Axes:
        """How long the intervals between a neuron's spikes are. Options as in `rv.plot.intervals`."""
        return histograms.intervals(self._spikes(part), ax=ax, **options)

    def variation(self, *, part: Any = None, ax: Axes | None = None, **options: Any) -> Axes:
        """How irregularly the neurons fire. Options as in `rv.plot.variation`."""
        return variation(self._spikes(part), ax=ax, **options)

    def correlogram(self, first: Any = None, second: Any = None, *, part: Any = None, ax: Axes | None = None, **options: Any) -> Axes:
        """How often one neuron fires so long after another. Options as in `rv.plot.correlogram`."""
        return histograms.correlogram(self._spikes(part), first, second, ax=ax, **options)

    def psth(self, events: Any, *, part: Any = None, ax: Axes | None = None, **options: Any) -> Axes:
        """The mean rate by the time from an event. Options as in `rv.plot.psth`."""
        return histograms.psth(self._spikes(part), events, ax=ax, **options)

    def weights(self, projection: Any, *, ax: Axes | None = None, **options: Any) -> Axes:
        """How the weights of a projection are distributed, as drawn for this run. Options as in `rv.plot.weights`."""
        return histograms.weights(self._result.edges(projection), ax=ax, **options)

    def _spikes(self, part: Any) -> Spikes:
        if part is None:
            return self._result.spikes
        spikes: Spikes = self._recorded_of(self._population(part), part).spikes
        return spikes

    def _recorded_of(self, name: str, part: Any) -> Any:
        """What was recorded of a part, which has this name, or of some of its neurons."""
        return self._result[part if isinstance(part, Subpopulation) else name]

    def _several(self, parts: Any) -> Spikes:
        """The spikes of all, of one part, or of several."""
        if not isinstance(parts, list | tuple):
            return self._spikes(parts)
        if not parts:
            raise ParameterError("part is an empty list: it must name at least one population.")
        each = {}
        for part in parts:
            name = part.label if isinstance(part, Subpopulation) else self._population(part)
            if name in each:
                raise ParameterError(f"part names {name} twice.")
            each[name] = self._spikes(part)
        return Spikes.together(each)

    def connectivity(self, *, ax: Axes | None = None) -> Axes:
        """Who is wired to whom, as it was drawn for this run."""
        return wiring.connectivity(self._result.network, seed=self._result.info["seed"], ax=ax)

    def stimulus(self, *, ax: Axes | None = None) -> Axes:
        """The currents injected into each population."""
        stimuli = self._stimuli()
        if not stimuli:
            raise ParameterError("There is no stimulus: no population has a current.")
        return self._stimulus_panel(appearance.axes_of(ax, height=1.8), stimuli)

    # -- what there is to draw ------------------------------------------------------------------

    def _population(self, part: Any) -> str:
        names = list(self._result.network.populations)
        if part is not None:
            name = self._result.network.find(_whole(part))[0]
            if name not in names:
                raise unknown("population", name, names)
            return name
        if len(names) > 1:
            raise ParameterError(f"The network has several populations: say which, part={names[0]!r} or another ({', '.join(names)}).")
        return names[0]

    def _part_with(self, variable: str, part: Any) -> str:
        run = self._result
        if part is not None:
            return run.network.find(_whole(part))[0]
        having = [name for name in run if _recorded(run[name], variable)]
        if not having:
            raise unknown("recorded variable", variable, {v for name in run for v in run[name].variables})
        if len(having) > 1:
            raise ParameterError(f"{variable!r} was recorded of {' and '.join(having)}: say which, part={having[0]!r}.")
        return having[0]

    def _some_potentials(self, neurons: Any) -> list[tuple[str, Series]]:
        """Up to three potentials: of one population evenly spaced, of several the busiest neuron of each."""
        run = self._result
        having = [name for name in run.network.populations if "V" in run[name].variables]
        chosen: list[tuple[str, Series]] = []
        for name in having:
            V = run[name].V
            if neurons is not None:
                ids = np.atleast_1d(np.asarray(neurons))
            elif len(having) == 1:
                ids = as_series(V, None, None, TRACES).columns
            else:
                recorded = np.asarray(V[V.dims[1]].values)
                ids = recorded[np.argmax(run[name].spikes.counts[recorded])][None] if len(recorded) else recorded
            chosen += [(name, as_series(V, None, [i])) for i in ids]
        return chosen[: max(TRACES, 0 if neurons is None else len(np.atleast_1d(neurons)))]

    def _stimuli(self) -> dict[str, Series]:
        """The injected current of each population: as recorded of all its neurons, else worked out."""
        run = self._result
        found = {}
        for name, population in run.network.populations.items():
            if population.current is None:
                continue
            recorded = None
            if "injected_current" in run[name].variables:
                recorded = as_series(run[name].injected_current)
            if recorded is not None and recorded.values.shape[1] == population.n and len(recorded.times) > 1:
                found[name] = recorded
            else:
                worked_out = current_of(population, name, run.info["seed"], run.spikes.start, run.spikes.stop, run.info["dt"])
                if worked_out is not None:
                    found[name] = worked_out
        return found

    # -- drawing ---------------------------------------------------------------------------------

    def _stimulus_panel(self, ax: Axes, stimuli: dict[str, Series]) -> Axes:
        courses = [distinct(series) for series in stimuli.values()]
        same = all(c.shape == courses[0].shape and np.array_equal(c, courses[0]) for c in courses)
        several = len(stimuli) > 1 and not same
        for i, (name, series) in enumerate(stimuli.items()):
            draw_stimulus(
                ax,
                series,
                series.times,
                color=self._colours[name] if several else "black",
                linestyle=appearance.LINES[i % len(appearance.LINES)],
                label=name if several else None,
            )
            if same:
                break
        if several:
            _legend_at_right(ax)
        if len({series.unit for series in stimuli.values()}) > 1:
            ax.set_ylabel("I (own units)")
        return ax

    def _potential(self, ax: Axes, name: str, series: Series, shared: list[Axes]) -> None:
        run = self._result
        if shared:
            ax.sharey(shared[0])
        shared.append(ax)
        several = len(run.network.populations) > 1
        one = series.columns[0]
        ax.plot(series.times, series.values[:, 0], color=self._colours[name] if several else "black", linewidth=0.9)
        self._draw_spikes(ax, name, series)
        ax.set_ylabel(series.label)
        if run.spikes.n > 1:
            _note(ax, f"{name} {one}" if several else f"{series.one} {one}")
        ax.set_xlabel(series.time_label)
        ax.margins(x=0)

    def _draw_spikes(self, ax: Axes, name: str, series: Series) -> None:
        """The spikes of a model with a reset, whose potential has none, over its last curves; and the threshold."""
        model = self._result.network.populations[name].model
        threshold: Any = getattr(model, "threshold", None)
        if type(model).reset is NeuronModel.reset or not isinstance(threshold, float):
            return
        ax.axhline(threshold, color=appearance.GREY, linewidth=0.7, linestyle=":", zorder=0)
        spikes, lines = self._result[name].spikes, ax.lines[: len(series.columns)]
        for neuron, line in zip(series.columns, lines, strict=False):
            at = spikes.times[spikes.neurons == neuron]
            ax.vlines(at, threshold, threshold + DRAWN_SPIKE, color=line.get_color(), linewidth=line.get_linewidth())

    def _panel(self, ax: Axes, part: str, name: str, series: Series) -> None:
        over_time.overlaid(ax, series, "black" if series.values.shape[1] == 1 else None)
        if series.name == "V" and part in self._result.network.populations:
            self._draw_spikes(ax, part, series)
        ax.set_ylabel(labelled(readable(series.name), series.unit).replace(" (", "\n(") if len(series.label) > 14 else series.label)
        if name:
            _note(ax, name)
        ax.set_xlabel(series.time_label)
        ax.margins(x=0)


def _whole(part: Any) -> Any:
    return part.population if isinstance(part, Subpopulation) else part


def _recorded(part: Any, variable: str) -> bool:
    try:
        resolve(variable, part.variables, "recorded variable")
    except KeyError:
        return False
    return True


def _note(ax: Axes, text: str) -> None:
    """What a panel shows, above its right corner, where no trace runs through it."""
    ax.annotate(
        text, (1.0, 1.0), xycoords="axes fraction", xytext=(0, 1), textcoords="offset points", ha="right", va="bottom", fontsize=SMALL
    )


def _legend_at_right(ax: Axes) -> None:
    ax.legend(fontsize=SMALL, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0, handlelength=1.6)
