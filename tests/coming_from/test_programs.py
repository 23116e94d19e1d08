"""The programs of other simulators on the pages "Coming from": they print what is kept, where they are installed, and Ranvier agrees."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ranvier as rv

PROGRAMS = Path(__file__).parents[2] / "docs" / "coming_from" / "programs"
NEEDS = {"brian2_pair": "brian2", "nest_pair": "nest", "pynn_pair": "nest", "neuron_cell": "neuron"}


def kept(name):
    return (PROGRAMS / f"{name}.txt").read_text().splitlines()


def times(line):
    return ast.literal_eval(line.partition(": ")[2])


def test_every_program_has_its_output():
    assert {path.stem for path in PROGRAMS.glob("*.py")} == set(NEEDS) == {path.stem for path in PROGRAMS.glob("*.txt")}


@pytest.mark.parametrize("name", NEEDS)
def test_it_prints_what_is_kept(name):
    if importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    printed = subprocess.run([sys.executable, PROGRAMS / f"{name}.py"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in printed.splitlines() if re.match(r"spikes|V of", line)]
    assert lines == kept(name)


def pair(refractory):
    cell = rv.neurons.LeakyIntegrateAndFire(capacitance=200, leak=10, rest=-60, threshold=-50, reset=-60, refractory=refractory)
    first = rv.Population(1, cell, current=500.0, name="first")
    second = rv.Population(1, cell, name="second")
    synapse = rv.Projection(first, second, rv.synapses.ExponentialCurrent(tau=5), rv.connect.all_to_all(), weight=80.0, delay=1.5)
    return rv.simulate(rv.Network(first, second, synapse), duration=60.0, dt=0.1, record=[rv.Record(second, "V")])


@pytest.mark.parametrize("name, refractory, stamp", [("nest_pair", 2.0, 0.1), ("brian2_pair", 1.9, 0.0)])
def test_spike_by_spike(name, refractory, stamp):
    """NEST stamps the end of a step; Brian2's refractory period begins a step earlier."""
    spikes, silent, potential = kept(name)
    run = pair(refractory)
    assert (run.spikes["first"].times + stamp).round(1).tolist() == times(spikes)
    assert times(silent) == [] and len(run.spikes["second"]) == 0
    V = float(run["second"].V.sel(time=40.0, method="nearest")[0])
    assert f"V of the second at 40 ms: {V:.4f} mV" == potential


def test_a_hodgkin_huxley_cell_in_neuron():
    pulse = rv.stimuli.SquarePulse(10.0, start=20, stop=80)
    run = rv.simulate(rv.neurons.HodgkinHuxley(), current=pulse, duration=100.0)
    np.testing.assert_allclose(run.spikes.times, times(kept("neuron_cell")[0]), atol=0.03)  # the methods differ, and the stamp by 0.01 ms
