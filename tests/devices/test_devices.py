"""One network on several devices: the processor counts as eight, in processes of their own (`program.py`)."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import ranvier as rv
from ranvier.devices.mesh import checked_devices
from ranvier.kernels.dispatch import native_available
from ranvier.network.exchange import Cut

PROGRAM = Path(__file__).parent / "program.py"


def said_by(name):
    ended = subprocess.run([sys.executable, str(PROGRAM), name], capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout.strip().splitlines()[-1])


def test_every_ready_made_network_has_the_same_spikes_records_and_state_on_three_devices():
    said = said_by("models")
    assert "antennal_lobe" in said
    assert "dynamic_random_network learns" in said
    assert said == {name: [] for name in said}


def test_a_network_of_all_kinds_of_parts_is_the_same_on_any_number_of_devices_and_goes_on_on_another():
    said = said_by("counts")
    assert said.pop("spikes") > 300
    before, most = said.pop("edges")
    assert most > 4 * before, "the synapses that come and go outgrow their arrays"
    assert said == {name: [] for name in said}


def test_a_store_written_on_four_devices_is_gone_on_with_on_one_and_on_two():
    assert said_by("stores") == {"gone on with": [], "bits": True}


def test_edges_that_are_drawn_at_each_spike_are_the_same_on_three_and_eight_devices():
    said = said_by("drawn_at_spikes")
    assert said.pop("spikes") > 200
    assert said.pop("stored") == 0, "as many spikes of the same neurons where the edges are stored"
    assert said == {name: [] for name in said}


@pytest.mark.skipif(not native_available(), reason="XLA's collectives tell it all")
def test_what_native_kernels_tell_each_other_is_what_collectives_do():
    said = said_by("exchanges")
    for name in ("some steps", "every step", "learning", "nothing"):
        assert said[name] == []
        assert said[f"{name}: spikes"] > 20
        assert said[f"{name}: why not native"] == ""
    assert "every 15 steps (the shortest delay), 8 bytes a spike, by native kernels through memory" in said["some steps: told"]
    assert "at every step, 4 bytes a spike or a bit a neuron" in said["every step: told"]


def test_told_in_bits_as_on_accelerators_the_spikes_are_the_same():
    said = said_by("in_bits")
    assert said["some steps"] == said["every step"] == []
    assert said["some steps: spikes"] > 50 and said["every step: spikes"] > 50
    assert "every 15 steps (the shortest delay), 468 bytes" in said["some steps: told"]
    assert "50 bytes" in said["every step: told"]


@pytest.fixture(scope="module")
def others():
    return said_by("others")


def test_other_numbers_compile_nothing_again(others):
    assert others["compiled again"] == 0
    assert others["new numbers"] == []


def test_a_stop_condition_ends_it_at_the_same_step(others):
    assert others["until"] == []


def test_what_goes_wrong_is_named_as_on_one_device(others):
    alone, on_four = others["diverged"]
    assert "cells, neuron 7" in on_four
    assert on_four == alone


def test_a_rate_that_cannot_be_drawn_is_refused_as_on_one_device(others):
    alone, on_four = others["too many spikes"]
    assert "often brings" in on_four
    assert on_four == alone


def test_explain_says_what_the_devices_tell_each_other(others):
    assert "on 4 cpu devices" in others["explained"]
    assert "devices tell each other within the step" not in others["explained"]
    how = "8 bytes a spike" if native_available() else "1056 bytes while a device has up to 64 spikes"
    assert f"every 15 steps (the shortest delay), {how}" in others["explained"]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("too few neurons", "at most devices=3"),
        ("function", "Prepare it without devices"),
        ("list", "names one device twice"),
    ],
)
def test_what_cannot_be_is_refused(others, what, words):
    assert words in others[what]


def test_more_devices_than_there_are_are_refused_with_the_line_to_write():
    with pytest.raises(rv.ParameterError, match=r"JAX has 1 cpu device here[\s\S]*jax_num_cpu_devices', 3"):
        rv.simulate(rv.neurons.HodgkinHuxley(), duration=1.0, devices=3)


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        ("tpu", "JAX has no tpu here; it has cpu"),
        ("gpus", "Did you mean 'gpu'"),
        (0, "at least one"),
        (True, "devices"),
        (2.0, "devices"),
        ([], "devices"),
    ],
)
def test_what_are_no_devices_is_refused(devices, words):
    with pytest.raises((rv.ParameterError, rv.UnknownNameError), match=words):
        rv.prepare(rv.Population(4, rv.neurons.HodgkinHuxley()), devices=devices)


def test_one_device_by_any_word_is_a_plain_run():
    cell = rv.neurons.HodgkinHuxley()
    alone = rv.simulate(cell, current=10.0, duration=20.0)
    for devices in ("cpu", 1, jax.devices()[:1]):
        run = rv.simulate(cell, current=10.0, duration=20.0, devices=devices)
        assert np.array_equal(run["hodgkin_huxley"].V, alone["hodgkin_huxley"].V)
    assert checked_devices(None) is None


@pytest.mark.parametrize(("n", "devices"), [(7, 3), (8, 4), (3, 8), (1, 1), (0, 2)])
def test_every_neuron_has_one_place(n, devices):
    cut = Cut(n, devices)
    counts = [int(cut.count(d)) for d in range(devices)]
    assert sum(counts) == n
    assert max(counts) - min(counts) <= 1
    assert [int(cut.first(d)) for d in range(devices)] == np.cumsum([0, *counts[:-1]]).tolist()
    if n:
        shares = np.stack([cut.places(d) for d in range(devices)])
        assert cut.joined(shares).tolist() == list(range(n))
