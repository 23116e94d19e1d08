"""What a scene's page is, without a browser: small, closed to the outside, escaped, refused where it cannot be."""

import base64
import contextlib
import hashlib
import html
import io
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.cli import main
from ranvier.lab.html import model_script, source

from . import v8


def hh():
    return rv.lab.scene(rv.neurons.HodgkinHuxley(), current=rv.stimuli.SquarePulse(10.0, start=20, stop=180))


def test_a_page_is_small_and_asks_for_nothing():
    page = hh().html()
    assert len(page.encode()) <= 120_000
    without_names = re.sub(r'xmlns="http://www\.w3\.org/2000/svg"', "", page)
    assert "http" not in re.sub(r"http-equiv", "", without_names)
    assert not re.search(
        r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|import)\s*\(|\beval\b|innerHTML|insertAdjacentHTML|document\.write", page
    )


def test_the_policy_names_each_script_and_the_style_and_nothing_else():
    page = hh().html()
    policy = dict(part.split(" ", 1) for part in re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].split("; "))
    hashed = lambda text: f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    scripts = re.findall(r'<script id="\w+">(.*?)</script>', page, re.S)
    assert len(scripts) == page.count("<script") == 4
    assert policy["script-src"].split() == [hashed(text) for text in scripts]
    assert policy["style-src"] == hashed(re.search(r"<style>(.*?)</style>", page, re.S)[1])
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in str(policy)


def test_names_and_texts_cannot_leave_their_place():
    evil = '</script><script>alert("x")</script><!--'
    namespace = {
        "__doc__": f"A cell {evil} & so on.",
        "__annotations__": {"size": rv.PerNeuron},
        "size": rv.parameter(1.0, "1", text=f"size {evil}"),
        "equations": f"dV/dt = size {evil}",
        "reference": f"Someone {evil}",
        "initial_state": lambda self, n, key: {"V": jnp.zeros(n), evil: jnp.zeros(n)},
        "derivatives": lambda self, state, inputs, t: {"V": inputs.current(state["V"]) - self.size * state["V"], evil: -state[evil]},
        "spiked": lambda self, before, after: after["V"] >= 1.0,
    }
    cell = type(evil, (rv.NeuronModel,), namespace)
    page = rv.lab.scene(cell(), current=0.5, duration=10.0, title=evil).html()
    assert page.count("</script>") == page.count("<script") == 4
    assert "<!--" not in page
    assert html.escape(evil) in page  # the title
    frame = rv.lab.scene(cell(), current=0.5, duration=10.0, title=evil)._repr_html_()
    assert "<" not in frame[1:].replace("</iframe>", "")
    assert re.search(r'sandbox="([^"]*)"', frame)[1].split() == ["allow-scripts", "allow-downloads"]


def test_an_operation_without_javascript_is_refused_with_its_class_and_line():
    class Sorted(rv.NeuronModel):
        def initial_state(self, n, key):
            return {"V": jnp.zeros(n)}

        def derivatives(self, state, inputs, t):
            return {"V": jax.lax.erf_inv(state["V"])}  # here

        def spiked(self, before, after):
            return after["V"] > 1

    with pytest.raises(
        rv.UnsupportedError, match=r"Sorted\.derivatives uses the operation 'erf_inv' \(test_page\.py, line \d+\)"
    ) as caught:
        rv.lab.scene(Sorted())
    line = int(re.search(r"line (\d+)", str(caught.value))[1])
    with open(__file__, encoding="utf-8") as file:
        assert "# here" in file.readlines()[line - 1]


@pytest.mark.parametrize(
    ("slope", "message"),
    [
        (lambda V: jnp.sort(V), r"uses the operation 'sort' \(test_page\.py, line \d+\)"),  # inside a function of JAX
        (lambda V: jnp.real(jnp.exp(1j * V)), r".* on complex numbers \(test_page\.py, line \d+\)"),
        (lambda V: np.exp(V), r"cannot be compiled \(test_page\.py, line \d+\).*write jnp\.sin"),
        (lambda V: V if V > 0 else -V, r"cannot be compiled \(test_page\.py, line \d+\).*write jnp\.where"),
        (lambda V: nothing(V), r"raises NameError: name 'nothing' is not defined \(test_page\.py, line \d+\)"),  # noqa: F821
        (lambda V: {}["W"], r"raises KeyError: 'W' \(test_page\.py, line \d+\)"),
    ],
)
def test_what_a_users_function_does_wrong_is_said_with_its_class_and_line(slope, message):
    class Wrong(rv.NeuronModel):
        def initial_state(self, n, key):
            return {"V": jnp.zeros(n)}

        def derivatives(self, state, inputs, t):
            return {"V": slope(state["V"])}

        def spiked(self, before, after):
            return after["V"] > 1

    with pytest.raises(rv.RanvierError, match=r"Wrong\.derivatives " + message):
        rv.lab.scene(Wrong())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rv.lab.scene(), "one cell"),
        (lambda: rv.lab.scene(rv.neurons.HodgkinHuxley), "Write HodgkinHuxley()"),
        (lambda: rv.lab.scene(3.0), "takes a neuron model"),
        (lambda: rv.lab.scene(rv.neurons.Passive(rest=[-60.0, -70.0])), "Passive.rest is"),
        (lambda: rv.lab.scene(rv.neurons.Passive(rest=rv.normal(-60.0, 1.0))), "Give one number"),
        (lambda: rv.lab.scene(rv.neurons.Passive(), integrator=rv.ExactLinear()), "does not run ExactLinear"),
        (lambda: rv.lab.scene(synapse=rv.synapses.Delta()), "post, the cell it reaches"),
        (lambda: rv.lab.scene(rv.neurons.Passive(), duration=-1.0), "duration"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(rv.RanvierError, match=re.escape(message)):
        make()


class Leaky(rv.NeuronModel):
    """A user's own cell, with a loop, a branch and an array inside."""

    leak: rv.PerNeuron = rv.parameter(0.1, "1/ms", (0.0, 1.0))

    def initial_state(self, n, key):
        return {"V": jnp.zeros(n), "count": jnp.zeros(n)}

    def derivatives(self, state, inputs, t):
        V = state["V"]
        terms = jnp.array([1.0, 0.5, 0.25])
        series = jax.lax.fori_loop(0, 3, lambda i, x: x + 0.01 * terms[i] * V, jnp.zeros_like(V))
        push = jax.lax.cond(t > 20.0, lambda v: 0.0 * v + 0.02, lambda v: 0.01 * jnp.round(v), V)
        return {"V": inputs.current(V) - self.leak * V + series + push, "count": jnp.sign(V) * jnp.floor(V) % 2.0}

    def spiked(self, before, after):
        return after["V"] >= 10.0

    def reset(self, state, spiked):
        return {"V": jnp.where(spiked, 0.0, state["V"])}


def test_a_users_class_with_loops_and_branches():
    scene = rv.lab.scene(Leaky(), current=2.0, duration=40.0, dt=0.05)
    spikes, columns = v8.run(scene)
    run = rv.simulate(Leaky(), current=2.0, duration=40.0, dt=0.05, integrator=rv.RungeKutta4())
    assert spikes[0] == run.spikes.steps.tolist()
    assert len(spikes[0]) > 3
    for name in ("V", "count"):
        np.testing.assert_allclose(columns["cell", name], getattr(run, name).values[:, 0], rtol=0, atol=1e-9)


def script_of(scene, change=""):
    """The Python that the page's button gives, and the spikes that the page draws, after a change of the settings."""
    with v8.engine(
        model_script(scene.facts, scene.code), source("python.js"), f"const settings = copy(SCENE.settings);{change}"
    ) as context:
        script = context.eval("pythonScript(settings)")
    spikes, _ = v8.run(scene, f"(() => {{const settings = JSON.parse(JSON.stringify(SCENE.settings));{change};return settings}})()")
    return script, spikes


def printed(script):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(script, "<the page's Python>", "exec"), {"Leaky": Leaky})
    return [eval(line) for line in out.getvalue().splitlines() if line.startswith("[")]


CASES = {
    "as it came": (hh, ""),
    "nested parameters": (hh, "settings.P.cell[3] = 100; settings.P.cell[8] = -52; settings.P['cell.SquarePulse'][0] = 20"),
    "another current": (hh, "settings.drive[0].kind = 'Steps'; settings.drive[0].poke = true; settings.integrator = 'ExponentialEuler'"),
    "noise": (hh, "settings.drive[0].kind = 'WhiteNoise'; settings.seed = 7; settings.P['cell.WhiteNoise'][1] = 15"),
    "where it begins": (hh, "settings.initial = {cell: {V: -30, 'potassium.n': 0.4}}; settings.drive[0].kind = 'Constant'"),
    "inherited defaults": (lambda: rv.lab.of_neuron(rv.neurons.ProjectionNeuron()), "settings.P.cell[1] = -5; settings.duration = 100"),
    "hazard": (lambda: rv.lab.of_neuron(rv.neurons.GeneralizedIntegrateAndFire()), "settings.seed = 3"),
    "a class of the user's": (lambda: rv.lab.scene(Leaky(leak=0.2), current=2.5, duration=40.0, dt=0.05), "settings.P.cell[0] = 0.15"),
    "plasticity": (
        lambda: rv.lab.of_plasticity(rv.synapses.TsodyksMarkram.facilitating()),
        "settings.weight = 9000; settings.P.plasticity[0] = 0.1",
    ),
    "a weight that learns": (
        lambda: rv.lab.of_rule(rv.plasticity.PairSTDP(high=100.0)),
        "settings.duration = 500; settings.train.count = 8; settings.P.rule[2] = 0.2",
    ),
    "two cells": (lambda: rv.lab.of_synapse(rv.synapses.GradedGABA()), "settings.weight = 0.2"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_python_button_gives_the_picture(case):
    make, change = CASES[case]
    script, spikes = script_of(make(), change)
    assert printed(script) == spikes
    assert any(spikes)


def test_the_python_button_in_a_fresh_process():
    script, spikes = script_of(hh())
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == str(spikes[0])


def test_the_command(tmp_path, capsys):
    place = tmp_path / "hh.html"
    assert main(["scene", "hh", "--out", str(place)]) == 0
    assert place.read_text(encoding="utf-8") == rv.lab.of_neuron(rv.neurons.HodgkinHuxley()).html()
    file = tmp_path / "mine.py"
    file.write_text("import ranvier as rv\nmodel = rv.neurons.Passive()\ncurrent = 2.0\nduration = 50.0\n")
    assert main(["scene", str(file), "--out", str(place)]) == 0
    assert "<title>Passive</title>" in place.read_text(encoding="utf-8")
    file.write_text("model = 3\n")
    assert main(["scene", str(file), "--out", str(place)]) == 1
    assert main(["scene", "hodgkin", "--out", str(place)]) == 1
    said = capsys.readouterr()
    assert "must define `model`" in said.err
    assert "Unknown scene" in said.err
