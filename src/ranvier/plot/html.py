"""How a result shows itself in a notebook: HTML with its own style, no scripts, no computation beyond counts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ranvier.plot.appearance import pretty_unit
from ranvier.random import Distribution

if TYPE_CHECKING:
    from ranvier.model import Model
    from ranvier.network.spec import Network, PoissonInput, Projection
    from ranvier.result import Result

STYLE = """<style>
.ranvier-result { font-size: 0.9em; line-height: 1.5; }
.ranvier-result header { border-bottom: 1px solid; padding-bottom: 4px; margin-bottom: 4px; }
.ranvier-result summary { cursor: pointer; }
.ranvier-result table { border-collapse: collapse; font-size: inherit; margin: 2px 0 8px 1.5em; }
.ranvier-result th, .ranvier-result td { text-align: left; padding: 1px 14px 1px 0; background: none; border: 0; }
.ranvier-result .equations { margin: 4px 0 4px 1.5em; }
.ranvier-result .equations div { margin: 4px 0; }
.ranvier-result details > header { margin-left: 1.5em; }
.ranvier-result footer { opacity: 0.8; }
.ranvier-result th { font-weight: normal; opacity: 0.65; }
.ranvier-result td.number { text-align: right; font-variant-numeric: tabular-nums; }
</style>"""


def result_table(result: Result) -> str:
    """A run as HTML: its populations, what was recorded, spikes, rates, wall time and seed.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=10.0, duration=20.0)
        >>> "hodgkin_huxley" in result_table(run)
        True
    """
    info, spikes = result.info, result.spikes
    span = spikes.stop - spikes.start
    rate = len(spikes) / spikes.n / span * 1000 if spikes.n and span > 0 else 0.0
    head = (
        f"<b>Result</b>: {span:g} ms of {spikes.n} neurons, {len(spikes)} spikes ({rate:.2f} Hz), "
        f"computed in {info['run_seconds']:.2f} s (and {info['compile_seconds']:.2f} s of compiling)"
    )
    populations = []
    for name, population in result.network.populations.items():
        count = len(result[name].spikes)
        mean = count / population.n / span * 1000 if population.n and span > 0 else 0.0
        fired = [f"{count}", f"{mean:.2f} Hz"] if population.model.has_spikes else ["none", ""]
        populations.append([name, f"{population.n}", type(population.model).__name__, *fired])
    recorded = []
    for name in result:
        for record in result[name]._records.values():
            size = f"{record.values.shape[0]} times × {record.values.shape[1]} {record.label}s"
            recorded.append([name, record.variable, pretty_unit(record.unit) or "1", size, _bytes(record.values.nbytes)])
    run = [[key, str(info[key])] for key in ("dt", "integrator", "seed", "precision", "device") if key in info]
    versions = ", ".join(f"{key} {value}" for key, value in info.get("versions", {}).items())
    sections = [
        _section("Populations", ["name", "neurons", "model", "spikes", "mean rate"], populations, numbers=(1, 3, 4)),
        _section("Recorded", ["of", "variable", "unit", "size", "memory"], recorded, numbers=(4,)) if recorded else "",
        _section("Run", None, [*([r[0], r[1] + (" ms" if r[0] == "dt" else "")] for r in run), ["versions", versions]], opened=False),
    ]
    return f'{STYLE}<div class="ranvier-result"><header>{head}</header>{"".join(sections)}</div>'


def network_table(network: Network) -> str:
    """A network as HTML: its populations with their models folded, who is wired to whom by what, Poisson inputs. Nothing is drawn.

    Example:
        >>> import ranvier as rv
        >>> html = network_table(rv.models.coba())
        >>> "3200" in html and "ExponentialConductance" in html and "<math" in html
        True
    """
    from ranvier.describe import model_section
    from ranvier.network.spec import weight_unit

    def unit(name: str, part: Projection | PoissonInput) -> str:
        said = weight_unit(name, part.synapse, part.targets)
        return {"(pA)/mV": "nS", "(nA)/mV": "µS", "(uA/cm^2)/mV": "mS/cm²"}.get(said, pretty_unit(said))

    def given(value: object) -> str:
        array = np.asarray(value) if not isinstance(value, Distribution) else None
        if array is not None and array.ndim:
            return f"{array.size} values"
        return f"{value:.6g}" if isinstance(value, float) else str(value)

    names = {id(p): name for name, p in network.populations.items()}
    populations = [
        [name, f"{p.n}", type(p.model).__name__, "none" if p.current is None else repr(p.current)]
        for name, p in network.populations.items()
    ]
    projections = [
        [
            name,
            f"{', '.join(names[id(s)] for s in p.sources)} → {', '.join(names[id(t)] for t in p.targets)}",
            type(p.synapse).__name__,
            f"{given(p.weight)} {unit(name, p)}".strip(),
            f"{given(p.delay)} ms",
        ]
        for name, p in network.projections.items()
    ]
    outside = [
        [name, ", ".join(names[id(t)] for t in p.targets), type(p.synapse).__name__, f"{given(p.weight)} {unit(name, p)}".strip()]
        for name, p in network.poisson.items()
    ]
    parts: list[Model] = [p.model for p in network.populations.values()]
    parts += [p.synapse for p in network.projections.values()] + [p.synapse for p in network.poisson.values()]
    models = "".join(
        f"<details><summary>{type(model).__name__}</summary>{model_section(model)}</details>"
        for model in {type(m): m for m in parts}.values()
    )
    sections = [
        _section("Populations", ["name", "neurons", "model", "current"], populations, numbers=(1,)),
        _section("Projections", ["name", "wires", "synapse", "weight", "delay"], projections) if projections else "",
        _section("From outside", ["name", "onto", "synapse", "weight"], outside) if outside else "",
    ]
    neurons = sum(p.n for p in network.populations.values())
    return f'{STYLE}<div class="ranvier-result"><header><b>Network</b> of {neurons} neurons</header>{"".join(sections)}{models}</div>'


def _section(title: str, heads: list[str] | None, rows: list[list[str]], numbers: tuple[int, ...] = (), opened: bool = True) -> str:
    def cell(i: int, text: str) -> str:
        return f"<td{' class=number' if i in numbers else ''}>{escape(text)}</td>"

    top = f"<tr>{''.join(f'<th>{escape(h)}</th>' for h in heads)}</tr>" if heads else ""
    body = "".join(f"<tr>{''.join(cell(i, text) for i, text in enumerate(row))}</tr>" for row in rows)
    count = f" ({len(rows)})" if heads else ""
    return f"<details{' open' if opened else ''}><summary>{title}{count}</summary><table>{top}{body}</table></details>"


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return ""
