"""What one meets at the keyboard: names, completion, versions, what is shown, and what errors offer."""

import contextlib
import math
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

import numpy as np
import pytest

import ranvier as rv
from ranvier.describe import as_html
from ranvier.equations import GREEK, mathml
from ranvier.model import Model
from ranvier.plot.html import network_table
from ranvier.progress import Progress, ProgressBar
from ranvier.stimuli.base import refuse_time_series


def test_the_package_lists_what_it_offers_and_nothing_else():
    listed = dir(rv)
    assert {"simulate", "neurons", "plot", "torch", "resume", "cite", "__version__"} <= set(listed)
    assert not {"importlib", "Any", "TYPE_CHECKING", "errors", "model", "network", "result", "run", "units"} & set(listed)
    assert all(hasattr(rv, name) for name in listed if name != "torch")


def test_what_is_loaded_on_first_use_is_what_type_checkers_see():
    text = pathlib.Path(rv.__file__).read_text()
    seen = {name: module for module, name in re.findall(r"^    from (ranvier\S*) import (\w+) as ", text, re.MULTILINE)}
    modules = {name for name, module in seen.items() if module == "ranvier"}
    assert modules == {*rv._MODULES, *rv._OTHER_MODULES}
    assert {name: module for name, module in seen.items() if name not in modules} == rv._WHERE


def test_a_star_import_loads_nothing_that_is_optional():
    code = "from ranvier import *; import sys; assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules; Network"
    subprocess.run([sys.executable, "-c", code], check=True)


PLACES = ("channels", "connect", "neurons", "synapses", "stimuli", "models", "random", "plot", "analysis", "interop", "testing", "lab")


@pytest.mark.parametrize("place", PLACES)
def test_so_do_its_modules(place):
    module = getattr(rv, place)
    listed = [name for name in dir(module) if name[0] != "_"]
    others = {"psst"}  # a module that is offered
    assert listed and all(name in others or not isinstance(getattr(module, name), type(sys)) for name in listed)
    assert not {"annotations", "Any", "np", "listed", "ParameterError"} & set(listed)


@pytest.mark.parametrize(
    "name, place",
    [
        ("HodgkinHuxley", r"rv\.neurons\.HodgkinHuxley"),
        ("LIF", r"rv\.neurons\.LeakyIntegrateAndFire"),
        ("NeuronGroup", r"rv\.Population"),
        ("Poplation", r"rv\.Population"),
    ],
)
def test_a_name_that_is_elsewhere_is_pointed_to(name, place):
    with pytest.raises(AttributeError, match=rf"Did you mean {place}\?"):
        getattr(rv, name)
    with pytest.raises(AttributeError, match=r"no attribute 'xyzzy'\.$"):
        rv.xyzzy  # noqa: B018


@pytest.fixture(scope="module")
def run():
    return rv.simulate(rv.neurons.HodgkinHuxley(), current=10.0, duration=20.0)


def test_completion_of_a_run(run):
    assert "V" in dir(run) and "spikes" in dir(run)
    assert {"hodgkin_huxley", "V", "sodium.m"} <= set(run._ipython_key_completions_())
    assert "sodium.m" in run["hodgkin_huxley"]._ipython_key_completions_()


def test_versions(capsys):
    rv.show_versions()
    shown = capsys.readouterr().out
    assert f"ranvier        {rv.__version__}" in shown and "native kernels" in shown
    from ranvier.cli import main

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ranvier {rv.__version__}\n"


def test_citing_a_run_names_every_model_in_it(run):
    text = rv.cite(run)
    assert text.count("@article{hodgkin_huxley_1952") == 1 and "HodgkinHuxleySodium" in text and "@software{ranvier" in text
    column = rv.cite(rv.models.coba(scale=0.05))
    assert "brette_2007" in column and "lapicque_1907" in column and "rall" not in column


def models():
    for kind in ("neurons", "channels", "synapses", "stimuli"):
        for name, value in vars(getattr(rv, kind)).items():
            if isinstance(value, type) and issubclass(value, Model) and value.equations:
                yield pytest.param(value, id=name)


@pytest.mark.parametrize("model", list(models()))
def test_equations_become_well_formed_mathml(model):
    html = mathml(model.equations)
    root = xml.etree.ElementTree.fromstring(f"<r>{html.replace('&nbsp;', ' ')}</r>")
    drawn = re.sub(r"\s", "", "".join(root.itertext()))
    names = set(re.findall(r"[A-Za-z]{4,}", model.equations)) - set(GREEK)
    assert all(name in drawn for name in names)  # nothing is lost


def test_a_quotient_and_a_product_without_a_sign():
    assert mathml("a = 2 b/(c d)").count("<mfrac>") == 1
    assert "<mtext>and V is held for refractory</mtext>" in mathml("V >= peak: a spike, V = reset, and V is held for `refractory`")


def test_describing_shows_once(capsys):
    assert rv.describe(rv.channels.Leak) is None
    assert capsys.readouterr().out.count("Leak: A conductance") == 1


def test_a_model_has_an_html_form():
    html = rv.neurons.HodgkinHuxley()._repr_html_()
    assert "<math" in html and "HodgkinHuxleySodium" in html and "<script" not in html
    assert "µF/cm²" in as_html(rv.neurons.HodgkinHuxley())


def test_a_network_has_an_html_form():
    html = rv.models.brunel("A", scale=0.05)._repr_html_()
    assert "exc → exc, inh" in html and "0.1 mV" in html and "From outside" in html and "<math" in html
    assert "6 nS" in network_table(rv.models.coba(scale=0.05)) and "<script" not in html


def step(t):
    return 3.0 if t > 20 else 0.0


@pytest.mark.parametrize(
    "current, hint",
    [
        (lambda t: np.sin(t), r"In place of np\.sin\(t\) write jnp\.sin\(t\)"),
        (lambda t: math.sin(t), r"In place of math\.sin\(t\) write jnp\.sin\(t\)"),
        (lambda t: np.arange(10.0)[int(t)], r"rv\.stimuli\.Sampled"),
        (step, r"The current step\(t\) .* jnp\.where\(t > 20, a, b\)"),
    ],
)
def test_a_function_that_cannot_be_compiled_says_what_to_write(current, hint):
    with pytest.raises(rv.ParameterError, match=hint):
        rv.simulate(rv.neurons.LeakyIntegrateAndFire(), current=current, duration=1.0)


@pytest.mark.parametrize(
    "make, hint",
    [
        (lambda: rv.neurons.HodgkinHuxley(gNa=120.0), r"sodium=rv\.channels\.HodgkinHuxleySodium\(conductance=…\)"),
        (lambda: rv.neurons.HodgkinHuxley(E_K=-77.0), r"potassium=rv\.channels\.HodgkinHuxleyPotassium\(reversal=…\)"),
        (lambda: rv.neurons.LeakyIntegrateAndFire(tau=20.0), "capacitance=tau \\* leak"),
        (lambda: rv.neurons.LeakyIntegrateAndFire(V_th=-50.0), "That is 'threshold' here"),
        (lambda: rv.neurons.LeakyIntegrateAndFire(leek=1.0), "Did you mean 'leak'"),
        (lambda: rv.neurons.LeakyIntegrateAndFire(I_ext=1.0), r"rv\.simulate\(model, current=…\)"),
        (lambda: rv.synapses.ExponentialConductance(E_rev=0.0), "That is 'reversal' here"),
    ],
)
def test_words_of_others_are_understood(make, hint):
    with pytest.raises(rv.UnknownNameError, match=hint):
        make()


def test_as_many_values_as_steps_are_asked_about():
    with pytest.raises(rv.ParameterError, match=r"is it a time series\?.*Sampled.*rv\.Population\(1000, model"):
        rv.simulate(rv.neurons.HodgkinHuxley(), current=np.zeros(1000), duration=10.0)
    for innocent in (None, 3.0, lambda t: t, np.zeros(7), np.zeros((1000, 2))):
        refuse_time_series(innocent, 1000)


def test_without_a_terminal_a_line_now_and_then(capsys):
    bar = ProgressBar()
    for second in range(100):
        bar(Progress(time=float(second), duration=100.0, elapsed=float(second), steps_per_second=100.0))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and lines[0] == "ranvier: 30 of 100 ms, 0.1 k steps/s, 0.001 s simulated a second, 70 s left"


def test_building_a_network_says_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr("ranvier.progress.SECONDS_BEFORE_BUILDING_SHOWS", 0.0)
    monkeypatch.setattr("ranvier.progress.SECONDS_PER_LINE", -1.0)
    cells = rv.Population(50, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    wires = rv.Projection(cells, cells, rv.synapses.Delta(), rv.connect.pairwise_bernoulli(0.2), weight=rv.normal(0.1, 0.01))
    sim = rv.prepare(rv.Network(cells, wires), dt=0.1, record=[], progress=True)
    assert "ranvier: building the network, 100%" in capsys.readouterr().err
    sim.run(1.0, seed=2)
    assert "building" not in capsys.readouterr().err
    sim.run(1.0, seed=3, progress=True)
    assert "ranvier: building the network, 100%" in capsys.readouterr().err
    with pytest.raises(rv.ParameterError, match="progress is 1"):
        rv.prepare(cells, progress=1)


def test_compiling_is_said(monkeypatch):
    said = []
    monkeypatch.setattr("ranvier.network.loop.stage", lambda what: said.append(what) or contextlib.nullcontext())
    sim = rv.prepare(rv.Population(3, rv.neurons.Izhikevich2003(), name="a name of its own for a new structure"), dt=0.5, record=[])
    sim.run(1.0, progress=True)
    sim.run(1.0, progress=True)
    assert said == ["compiling"]


def test_in_a_notebook_a_bar():
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ranvier.progress.in_notebook", lambda: True)
            with capture_output() as captured:
                bar = ProgressBar()
                bar(Progress(10.0, 100.0, 1.0, 100.0))
                bar(Progress(100.0, 100.0, 9.0, 100.0))
        assert '<progress aria-label="simulated time" value="10" max="100">' in captured.outputs[0].data["text/html"]
        assert "in 9.0 s" in captured.outputs[-1].data["text/html"]
    finally:
        shell.clear_instance()
