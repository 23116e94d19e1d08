"""Pages made from the code at build time: tutorials, models, reproductions, the command line, the changelog.

They are written to `_generated/`, which git ignores, and only where they changed; the models' scenes to `_static/scenes/`.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
GENERATED = DOCS / "_generated"
SCENES = DOCS / "_static" / "scenes"


def setup(app):
    app.connect("builder-inited", lambda _: make_all())
    app.connect("autodoc-process-docstring", plain_docstring, priority=100)  # before napoleon
    app.connect("doctree-read", describe_images)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def describe_images(app, doctree):
    """Pictures of executed cells get an alternative text: what the figure itself says in its PNG, else where it stands."""
    from docutils import nodes
    from PIL import Image

    for image in doctree.findall(nodes.image):
        if image.get("alt"):
            continue
        path = Path(app.srcdir) / image["uri"].lstrip("/")
        path = path if path.exists() else Path(image["uri"])
        text = ""
        if path.suffix == ".png" and path.exists():
            with Image.open(path) as picture:
                text = picture.info.get("Description", "")
        section = image
        while section is not None and not isinstance(section, nodes.section):
            section = section.parent
        title = section.next_node(nodes.title).astext() if section is not None else "this page"
        image["alt"] = text or f"Figure of the section {title}"


def make_all():
    made = set()

    def write(name: str, text: str) -> None:
        path = GENERATED / name
        made.add(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")

    for notebook in sorted((ROOT / "tutorials").glob("*.ipynb")):
        write(f"tutorials/{notebook.name}", notebook.read_text(encoding="utf-8"))
    for kind, page in model_pages():
        write(f"models/{kind}.md", page)
    for name, page in reproduces_pages():
        write(f"reproduces/{name}.md", page)
    write("command_line.md", command_line_page())
    write("changelog.md", changelog_page())
    for path in sorted(GENERATED.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.is_file() and path not in made:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


# -- models ---------------------------------------------------------------------------------------------------------

KINDS = {
    "neurons": ("Neurons", "What a population is made of: `rv.Population(n, rv.neurons.…)`."),
    "channels": ("Ion channels and pools", "The parts of a conductance-based neuron."),
    "synapses": ("Synapses", "What a projection is made of: `rv.Projection(source, target, rv.synapses.…, connect)`."),
    "plasticity": ("Plasticity", "Rules by which weights change: `rv.Projection(..., plasticity=rv.plasticity.…)`."),
    "stimuli": ("Stimuli", "Currents as functions of time: `rv.Population(..., current=rv.stimuli.…)`."),
}


def model_pages() -> Iterator[tuple[str, str]]:
    import ranvier as rv
    from ranvier.model import Model

    for kind, (title, text) in KINDS.items():
        module = getattr(rv, kind)
        found = [c for _, c in sorted(vars(module).items()) if inspect.isclass(c) and issubclass(c, Model)]
        classes = [c for c in found if not c.__module__.endswith(".base") and not (inspect.getdoc(c) or "").startswith("Base of")]
        if kind == "stimuli":
            classes = [rv.stimuli.Constant, *classes, rv.models.Odor]
        yield kind, "\n".join([f"# {title}", "", text, "", *[line for c in classes for line in model_section(c, kind)]])


def model_section(cls: type, kind: str) -> Iterator[str]:
    summary, *details = (inspect.getdoc(cls) or "").split("\n\n")
    place = "models" if cls.__module__.startswith("ranvier.models") else kind
    yield from [f"## {cls.__name__}", "", f"`rv.{place}.{cls.__name__}`", "", summary.replace("\n", " "), ""]
    for paragraph in details:
        if re.match(r"(Args|Example|Attributes|Raises):", paragraph):
            break
        yield from [paragraph.replace("\n", " "), ""]
    if cls.equations:
        from ranvier.equations import mathml

        yield from ["```{raw} html", f'<div class="equations">{mathml(cls.equations)}</div>', "```", ""]
    parts = list(component_rows(cls))
    if parts:
        yield from ["| part | model |", "|---|---|", *parts, ""]
    yield from scene_block(cls, kind)
    rows = list(parameter_rows(cls))
    if rows:
        yield from ["| parameter | default | unit | allowed | what it is |", "|---|---|---|---|---|", *rows, ""]
    if cls.reference:
        yield from [f"**Source.** {cls.reference}", ""]


GIVEN: dict[str, dict[str, Any]] = {  # to classes that want something, and currents (pA) that a leaky integrate-and-fire cell answers
    "SpikeTimes": {"times": [20.0, 60.0, 70.0, 150.0]},
    "Constant": {"amplitude": 150.0},
    "Ramp": {"initial": 0.0, "final": 400.0, "start": 20.0, "stop": 380.0},
    "Sine": {"mean": 120.0, "amplitude": 80.0, "frequency": 10.0},
    "SquarePulse": {"amplitude": 200.0, "start": 50.0, "stop": 350.0},
    "Steps": {"times": [50.0, 150.0, 250.0], "values": [100.0, 200.0, 300.0]},
    "WhiteNoise": {"mean": 80.0, "intensity": 300.0},
    "Sampled": {"values": [100.0, 250.0, 50.0, 300.0] * 20, "every": 5.0},
    "PublishedSampling": {"values": [100.0, 250.0, 50.0, 300.0] * 20, "every": 5.0},
    "Odor": {"amplitude": 250.0, "start": 50.0, "stop": 250.0, "rise": 20.0, "decay": 50.0},
}


def scene_block(cls: type, kind: str) -> Iterator[str]:
    """The class, alive: a frame that is loaded when a reader opens it."""
    import ranvier as rv
    from ranvier import lab
    from ranvier.errors import UnsupportedError
    from ranvier.neurons.base import NeuronModel
    from ranvier.plasticity.base import PlasticityRule
    from ranvier.synapses import ShortTermPlasticity, SynapseModel

    gif, hh = rv.neurons.GeneralizedIntegrateAndFire, rv.neurons.HodgkinHuxley()
    makers = {
        rv.neurons.SpikeTriggeredCurrent: lambda part: lab.of_neuron(gif(currents={"own": part}), title=cls.__name__),
        rv.neurons.SpikeTriggeredThreshold: lambda part: lab.of_neuron(gif(thresholds={"own": part}), title=cls.__name__),
        rv.neurons.ConductanceBased: lambda cell: lab.of_neuron(
            dataclasses.replace(cell, channels={name: getattr(hh, name) for name in ("sodium", "potassium", "leak")})
        ),
        NeuronModel: lab.of_neuron,
        SynapseModel: lab.of_synapse,
        ShortTermPlasticity: lab.of_plasticity,
        PlasticityRule: lab.of_rule,
        rv.IonChannel: lab.of_channel,
        rv.channels.IonPool: lab.of_channel,
        rv.stimuli.Stimulus: lab.of_stimulus,
    }
    make = next((make for base, make in makers.items() if issubclass(cls, base)), None)
    given = {"high": 100.0} if issubclass(cls, PlasticityRule) else GIVEN.get(cls.__name__, {})
    needed = [f for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING and f.name not in given]
    if make is None or needed:
        return
    try:
        scene = make(cls(**given))
    except UnsupportedError:  # a rule that asks for more than spikes
        return
    SCENES.mkdir(parents=True, exist_ok=True)
    made, place = scene.html(), SCENES / f"{cls.__name__}.html"
    if not place.exists() or place.read_text(encoding="utf-8") != made:
        place.write_text(made, encoding="utf-8")
    source = f"../../_static/scenes/{place.name}"
    yield from [
        "```{raw} html",
        f'<details class="scene"><summary>Try it: every parameter a slider</summary>'
        f'<iframe title="{cls.__name__}, a scene" src="{source}" loading="lazy" sandbox="allow-scripts allow-downloads"></iframe>'
        f'<p><a href="{source}">Alone on its page</a></p></details>',
        "```",
        "",
    ]


def parameter_rows(cls: type) -> Iterator[str]:
    for field in dataclasses.fields(cls):
        if "parameter" not in field.metadata:
            continue
        info = field.metadata["parameter"]
        default = (
            "(required)"
            if field.default is dataclasses.MISSING
            else f"{field.default:.6g}"
            if isinstance(field.default, int | float)
            else str(field.default)
        )
        unit = {"1": "", "input": "the neurons' input unit"}.get(info.unit, f"`{info.unit}`")
        yield f"| `{info.alias or field.name}` | {default} | {unit} | {bounds(info.low, info.high)} | {info.text} |"


def component_rows(cls: type) -> Iterator[str]:
    for field in dataclasses.fields(cls):
        default = field.default
        if "component" in field.metadata and dataclasses.is_dataclass(default):
            changed = [
                f"{f.name}={getattr(default, f.name):g}"
                for f in dataclasses.fields(default)
                if "parameter" in f.metadata and getattr(default, f.name) != f.default
            ]
            yield f"| `{field.name}` | `{type(default).__name__}({', '.join(changed)})` |"


def bounds(low: float, high: float) -> str:
    if low == -math.inf and high == math.inf:
        return ""
    if high == math.inf:
        return "positive" if 0 < low < 1e-6 else f"≥ {low:g}"
    return f"{low:g} … {high:g}"


# -- the others -----------------------------------------------------------------------------------------------------


# What a table's model does, drawn beside it. A name is a model's, or what stands before its colon.
FIGURES = {
    "AdEx": """
run = rv.simulate(rv.neurons.AdaptiveExponentialIntegrateAndFire(), current=rv.stimuli.SquarePulse(1000.0, 50, 400), duration=450.0, dt=0.1)
run.plot("V", "w")""",
    "Brunel 2000": """
run = rv.simulate(rv.models.brunel("C"), duration=200.0, dt=0.1, seed=1)
run.plot.raster(neurons=500)""",
    "COBA": """
run = rv.simulate(rv.models.coba(), duration=400.0, dt=0.1, integrator=rv.ExponentialEuler(), seed=1)
run.plot()""",
    "COBAHH": """
run = rv.simulate(rv.models.cobahh(scale=0.25), duration=300.0, dt=0.05, integrator=rv.ExponentialEuler(), seed=1)
run.plot()""",
    "CUBA": """
run = rv.simulate(rv.models.cuba(), duration=400.0, dt=0.1, seed=1)
run.plot()""",
    "Connor–Stevens": """
run = rv.simulate(rv.neurons.ConnorStevens(), current=np.linspace(0, 20, 41), duration=600.0, dt=0.02, record=[])
run.plot.fi_curve()""",
    "Cortical microcircuit": """
run = rv.simulate(rv.models.microcircuit(scale=0.05), duration=400.0, dt=0.1, seed=1)
run.plot.raster(neurons=1500)""",
    "Escape noise": """
cells = rv.Population(500, rv.neurons.EscapeNoiseIntegrateAndFire(), current=180.0, name="cells")
run = rv.simulate(cells, duration=1000.0, dt=0.1, seed=1, record=[])
run.plot.intervals()""",
    "Generalised integrate-and-fire": """
run = rv.simulate(rv.neurons.GeneralizedIntegrateAndFire(), current=rv.stimuli.SquarePulse(600.0, 50, 400), duration=450.0, dt=0.1, seed=1)
run.plot("V")""",
    "Grid cells": """
net = rv.models.grid_cells()
sheet = rv.Record("sheet", "rate", every=20.0)
run = rv.simulate(net, duration=61_000.0, dt=0.5, integrator=rv.ExponentialEuler(), precision="single", record=sheet)
one = run["sheet"]["rate"].values[50:, 0]
path = rv.models.burak2009.path_of(net).position[: len(one)]
ax = rv.plot.traces(path[:, 1], time=path[:, 0])
ax.plot(*path[one > 0.5].T, "o", markersize=3)
ax.set(xlabel="x (m)", ylabel="y (m)", aspect="equal", title="where one neuron fires on the path")
ax.figure""",
    "Hodgkin–Huxley 1952": """
run = rv.simulate(rv.neurons.HodgkinHuxley(), current=rv.stimuli.SquarePulse(10.0, start=20, stop=80), duration=100.0)
run.plot("V", "sodium.m", "sodium.h", "potassium.n")""",
    "Izhikevich 2003": """
run = rv.simulate(rv.models.izhikevich(), duration=1000.0, dt=0.5, integrator=rv.SplitEuler(), seed=1)
run.plot.raster()""",
    "Leaky integrate-and-fire": """
run = rv.simulate(rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=300.0, duration=100.0, dt=0.1)
run.plot("V")""",
    "Morris–Lecar": """
run = rv.simulate(rv.neurons.MorrisLecar(), current=100.0, duration=400.0, dt=0.05)
run.plot.phase_plane("V", "w")""",
    "NMDA": """
V = np.linspace(-100, 40, 141)
opened, _ = rv.synapses.NMDA().membrane_input(1.0, V)
ax = rv.plot.traces(opened, time=V)
ax.set(xlabel="V (mV)", ylabel="share of the conductance that is open")
ax.figure""",
    "Noisy integrate-and-fire": """
run = rv.simulate(rv.neurons.NoisyIntegrateAndFire(), current=80.0, duration=200.0, dt=0.05, seed=1)
run.plot("V")""",
    "Pinsky–Rinzel 1994": """
run = rv.simulate(rv.neurons.PinskyRinzel(), current=0.75, duration=1000.0, dt=0.05)
run.plot("V", "V_dendrite", "Ca")""",
    "Quadratic integrate-and-fire": """
run = rv.simulate(rv.neurons.QuadraticIntegrateAndFire(), current=np.linspace(0, 500, 41), duration=1000.0, dt=0.05, record=[])
run.plot.fi_curve()""",
    "Litwin-Kumar & Doiron 2012": """
run = rv.simulate(rv.models.clustered(), duration=1500.0, dt=0.1, seed=1)
run.plot.raster(neurons=2500)""",
    "Stellate cell": """
run = rv.simulate(rv.models.stellate_cells(), duration=3000.0, dt=0.05, seed=1, record=rv.Record("stellate", "V", every=0.5))
run.plot.raster()""",
    "Synfire chain, Diesmann 1999": """
run = rv.simulate(rv.models.synfire_chain(), duration=150.0, dt=0.1, seed=1)
run.plot.raster()""",
    "Tsodyks–Markram": """
times = rv.Population(1, rv.neurons.SpikeTimes(np.arange(20.0, 420.0, 50.0), np.zeros(8, int)), name="times")
cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), name="cell")
wire = rv.Projection(
    times, cell, rv.synapses.ExponentialCurrent(tau=3.0), rv.connect.all_to_all(), weight=300.0,
    short_term_plasticity=rv.synapses.TsodyksMarkram(),
)
run = rv.simulate(rv.Network(times, cell, wire), duration=450.0, dt=0.1, record=rv.Record(cell, "V"))
rv.plot.traces(run["cell"].V)""",
    "Wang 2002": """
run = rv.simulate(rv.models.wang(), duration=2000.0, dt=0.1, seed=1)
run.plot.raster(neurons=800)""",
    "Wang–Buzsáki 1996": """
run = rv.simulate(rv.neurons.WangBuzsaki(), current=np.linspace(0, 20, 41), duration=400.0, dt=0.02, record=[])
run.plot.fi_curve()""",
    "PSST": """
run = rv.simulate(rv.models.antennal_lobe(), duration=500.0, dt=0.05, integrator=rv.ExponentialEuler(), seed=1)
run.plot()""",
    "Small-world network": """
cells = rv.Population(200, rv.neurons.LeakyIntegrateAndFire(), name="cells")
net = rv.Network(cells, rv.Projection(cells, cells, rv.synapses.Delta(), rv.connect.small_world(10, 0.05)))
rv.plot.connectivity(net)""",
    "Scale-free network": """
cells = rv.Population(200, rv.neurons.LeakyIntegrateAndFire(), name="cells")
net = rv.Network(cells, rv.Projection(cells, cells, rv.synapses.Delta(), rv.connect.scale_free(3)))
rv.plot.connectivity(net)""",
}
NOTEBOOK = ["---", "file_format: mystnb", "kernelspec:", "  name: python3", "  display_name: Python 3", "---", ""]


def reproduces_pages() -> Iterator[tuple[str, str]]:
    """A list of what is reproduced, and a page for each paper: its numbers, and a figure of what its model does."""
    file = DOCS / "reproduces.json"
    entries = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    papers: dict[str, list[dict]] = {}
    for entry in entries:
        papers.setdefault(paper_of(entry["model"]), []).append(entry)
    pages = {paper: re.sub(r"[^a-z0-9]+", "_", paper.lower().translate(PLAIN)).strip("_") for paper in papers}
    lines = [
        "# Reproduces",
        "",
        "What published models should give, and what they give here: a page for each, with its figure. "
        "Each number is an assertion in a test, and was written by that test (`RANVIER_WRITE_REPRODUCES=1 pytest`).",
        "",
        "| what | numbers | source |",
        "|---|---|---|",
    ]
    for paper, rows in papers.items():
        lines.append(f"| [{paper}]({pages[paper]}.md) | {len(rows)} | {cell(rows[0]['source'])} |")
    lines += ["", "```{toctree}", ":hidden:", *pages.values(), "```", ""]
    yield "index", "\n".join(lines)
    for paper, rows in papers.items():
        yield pages[paper], "\n".join(reproduces_page(paper, rows))


PLAIN = str.maketrans("áàéèíóöúüñç–", "aaeeioouunc-")


def paper_of(model: str) -> str:
    """What a model's numbers stand beside: `PSST Day 4: three cells` is of PSST."""
    before = re.split(r":|, (?=depressing|facilitating)| Day \d", model)[0]
    return before if before in ("Neurapse", "PSST", "Tsodyks–Markram") else model


def reproduces_page(paper: str, rows: list[dict]) -> Iterator[str]:
    drawn = FIGURES.get(paper)
    yield from [*(NOTEBOOK if drawn else []), f"# {paper}", ""]
    if drawn:
        yield from ["```{code-cell} ipython3", ":tags: [remove-cell]", "import numpy as np", "import ranvier as rv", "```", ""]
    yield from ["| what | expected | measured | tolerance | unit | source |", "|---|---|---|---|---|---|"]
    for e in rows:
        what = e["what"] if e["model"] == paper else f"{e['model'].removeprefix(paper).lstrip(':, ')}: {e['what']}"
        cells = (what, amount(e["expected"]), amount(e["measured"]), f"{e['tolerance']:g}", e["unit"], e["source"])
        yield f"| {' | '.join(map(cell, cells))} |"
    yield from ["", "The tolerance is the largest absolute difference that the test allows.", ""]
    if drawn:
        smaller = paper in ("COBAHH", "Cortical microcircuit", "PSST")
        yield "What the model does, drawn by this page" + (" (smaller or shorter than in the tests)." if smaller else ".")
        yield from ["", "```{code-cell} ipython3", ":tags: [hide-input]", drawn.strip(), "```", ""]


def cell(text: str) -> str:
    return str(text).replace("|", "\\|")


def amount(value: float | list) -> str:
    if isinstance(value, list):
        shown = [amount(v) for v in value[:8]]
        return ", ".join(shown) + (f", … ({len(value)})" if len(value) > 8 else "")
    return f"{value:.6g}"


def command_line_page() -> str:
    environment = {**os.environ, "COLUMNS": "100", "PYTHONUTF8": "1"}

    def helped(*words: str) -> str:
        command = [sys.executable, "-m", "ranvier.cli", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.rstrip()

    lines = ["# Command line", "", "What the command itself says.", ""]
    for words in (
        ("--help",),
        ("run", "--help"),
        ("resume", "--help"),
        ("info", "--help"),
        ("scene", "--help"),
        ("lab", "--help"),
        ("models",),
    ):
        lines += ["```console", f"$ ranvier {' '.join(words)}", helped(*words), "```", ""]
    return "\n".join(lines)


def changelog_page() -> str:
    file = ROOT / "CHANGELOG.md"
    return file.read_text(encoding="utf-8") if file.exists() else "# Changelog\n\nNothing has been released yet.\n"


def plain_docstring(app, what, name, obj, options, lines):
    """Docstrings are plain text with code between single backticks: what reST would take for markup is escaped."""
    example = False
    for i, line in enumerate(lines):
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if example:
            continue
        pieces = re.split(r"(`[^`]*`)", line)
        for k in range(0, len(pieces), 2):
            pieces[k] = re.sub(r"(?<!\\)([*|])", r"\\\1", pieces[k])
            if k and pieces[k][:1].isalnum():
                pieces[k] = "\\ " + pieces[k]  # a plural after a name: `Projection`s
        lines[i] = "".join(pieces)
