"""Several processes on this machine, over the loopback device."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

import ranvier as rv
from ranvier.devices.processes import ADDRESS, COUNT, NUMBER, PATIENCE_NAME
from ranvier.kernels.dispatch import native_available

SCRIPT = """
import hashlib, json, sys
import ranvier as rv
rv.devices.join()
scale, duration = float(sys.argv[1]), float(sys.argv[2])
def peak():  # of this program alone: what getrusage says begins with the largest that its parent ever was
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
before = peak()
network = rv.Network(
    exc := rv.Population(int(4000 * scale), rv.neurons.LeakyIntegrateAndFire(), name="exc", current=380.0,
                         initial={"V": rv.uniform(-70.0, -50.0)}),
    rv.Projection(exc, exc, rv.synapses.ExponentialCurrent(tau=5.0), rv.connect.fixed_in_degree(int(1000 * scale)),
                  weight=rv.normal(0.1, 0.01), delay=1.5),
)
sim = rv.prepare(network, dt=0.1, seed=int(sys.argv[3]), precision="single")
run = sim.run(duration)
print(json.dumps({
    "spikes": len(run.spikes), "which": hashlib.sha256(run.spikes.steps.tobytes() + run.spikes.neurons.tobytes()).hexdigest(),
    "V": float(run.state.neurons["exc"]["V"].sum()), "peak": peak() - before,
}))
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started(count, arguments, program=SCRIPT, patience=60, missing=(), port=None):
    port = port or free_port()
    running = {}
    for number in range(count):
        if number in missing:
            continue
        environment = {**os.environ, ADDRESS: f"127.0.0.1:{port}", COUNT: str(count), NUMBER: str(number), PATIENCE_NAME: str(patience)}
        own = arguments(number) if callable(arguments) else arguments
        command = [sys.executable, "-c", program, *own]
        running[number] = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return running


def ended(running, timeout=240):
    return {number: (process.communicate(timeout=timeout), process.returncode) for number, process in running.items()}


def test_two_processes_compute_what_one_does_and_each_holds_the_edges_of_its_own_neurons():
    alone = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("rv.devices.join()", ""), "2.5", "5", "0"], capture_output=True, text=True, check=True
    )
    alone = json.loads(alone.stdout.strip().splitlines()[-1])
    assert alone["spikes"] > 500
    for (out, problem), code in ended(started(2, ["2.5", "5", "0"])).values():
        assert code == 0, problem[-3000:]
        said = json.loads(out.strip().splitlines()[-1])
        assert said["which"] == alone["which"]
        assert said["V"] == alone["V"]
        # 25 000 000 edges are 200 MB; what several processes need beside their own share is some 45 MB.
        assert said["peak"] < alone["peak"] - 30_000


EVERY_STEP = """
import json, sys
import ranvier as rv
from ranvier.devices import processes
if sys.argv[1] != "alone":
    rv.devices.join()
net = rv.models.coba(scale=0.1)
how = {"duration": 50.0, "dt": 0.1, "seed": 4, "integrator": rv.ExponentialEuler()}
run = rv.simulate(net, record=rv.Record("exc", "V", neurons=[0, 300], every=0.7), **how)
print(json.dumps({"steps": run.spikes.steps.tolist(), "neurons": run.spikes.neurons.tolist(), "V": float(run.records[0].values.sum()),
                  "by sockets": processes._tell is not None, "lines": str(rv.explain(net, dt=0.1, integrator=how["integrator"]))}))
"""


@pytest.mark.parametrize("count", [2, 3])
def test_what_is_told_at_every_step_goes_through_sockets_and_is_the_same(count):
    alone = subprocess.run([sys.executable, "-c", EVERY_STEP, "alone"], capture_output=True, text=True, check=True)
    alone = json.loads(alone.stdout.strip().splitlines()[-1])
    assert len(alone["steps"]) > 100
    for (out, problem), code in ended(started(count, ["one of several"], EVERY_STEP)).values():
        assert code == 0, problem[-3000:]
        said = json.loads(out.strip().splitlines()[-1])
        assert [said[what] for what in ("steps", "neurons", "V")] == [alone[what] for what in ("steps", "neurons", "V")]
        assert said["by sockets"] == native_available()
        assert not native_available() or "through memory and sockets" in said["lines"]


DIFFERENT = """
import json, sys
import ranvier as rv
from ranvier.devices import simulation
rv.devices.join()
me = int(sys.argv[1])
lif = rv.neurons.LeakyIntegrateAndFire()
cells = rv.Population(8, lif, current=380.0, name="cells")
current, rule = rv.synapses.ExponentialCurrent(tau=5.0), rv.connect.fixed_in_degree(2)
net = rv.Network(cells, rv.Projection(cells, cells, current, rule, weight=1.0, delay=1.5, name="wire"))
sim = rv.prepare(net, dt=0.1)
after = lambda limit: lambda now: now.time >= limit
def other_code():
    simulation.code_hash = lambda: str(me)
    rv.prepare(net, dt=0.1)
cases = {
    "seed": lambda: sim.run(5.0, seed=me),
    "duration": lambda: sim.run(5.0 + me),
    "the numbers given to run": lambda: sim.run(5.0, parameters={"wire.weight": 1.0 + me}),
    "until": lambda: sim.run(50.0, until=after(20.0 + 10.0 * me)),
    "watch": lambda: sim.run(50.0, watch=print if me else None),
    "precision": lambda: rv.prepare(net, dt=0.1, precision=("double", "single")[me]),
    "the network": lambda: rv.prepare(rv.Population(8 + me, lif), dt=0.1),
    "ranvier's code": other_code,
    "one device": lambda: rv.prepare(net, dt=0.1, devices=1),
    "too many": lambda: rv.prepare(net, dt=0.1, devices=7),
    "too few neurons": lambda: rv.prepare(rv.Population(1, lif), dt=0.1),
}
said = {}
for name, case in cases.items():
    try:
        case()
    except rv.RanvierError as error:
        said[name] = str(error)
said["stop"] = sim.run(50.0, until=after(20.0)).spikes.stop
print(json.dumps(said), flush=True)
if me == 1:
    raise ValueError("an error of its own")
sim.run(1e9)
"""


def test_what_differs_is_named_in_each_process_and_an_error_in_one_ends_the_others():
    other = {
        "one device": "has none of process 1",
        "too many": "JAX has 2 cpu devices here",
        "too few neurons": "at most devices=1",
    }
    for number, ((out, problem), code) in ended(started(2, lambda number: [str(number)], DIFFERENT), 120).items():
        said = json.loads(out.strip().splitlines()[-1])
        assert said.pop("stop") == 20.0
        assert len(said) == 11
        for name, words in said.items():
            assert other.get(name, f"The processes of this run differ in {name}: process 1") in words
        assert code == 1
        assert ("an error of its own" if number else "Another process of this run ended or cannot be reached") in problem


@pytest.mark.parametrize(("comes", "words"), [(0, "came within 2 s"), (1, "The first process did not come within 2 s")])
def test_a_process_that_never_comes_ends_the_others_in_time(comes, words):
    began = time.monotonic()
    ((_, problem), code) = ended(started(2, ["0.1", "5", "0"], patience=2, missing=(1 - comes,)))[comes]
    assert code != 0
    assert time.monotonic() - began < 60
    assert words in problem or (comes == 0 and "came" in problem and "JAX ended this process" in problem) or "DEADLINE_EXCEEDED" in problem


def launch(*words, **how):
    return subprocess.Popen(
        [sys.executable, "-m", "ranvier.cli", "launch", *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how
    )


def written(store):
    """How much of a store is written (ms)."""
    try:
        return rv.open_store(store).spikes.stop
    except rv.RanvierError:
        return 0.0


def test_launch_runs_resumes_in_other_numbers_and_a_killed_process_ends_the_run(tmp_path):
    store = tmp_path / "run.zarr"
    run = ["--", "run", "brunel", "--scale", "0.02", "--store", str(store), "--checkpoint-every", "20"]
    out, problem = (launching := launch("-n", "2", *run, "--duration", "40")).communicate(timeout=240)
    assert launching.returncode == 0, problem[-3000:]
    assert "40 of 40 ms of 250 neurons" in out
    whole = rv.simulate(rv.models.brunel(scale=0.02), duration=60.0, dt=0.1)
    resumed = rv.resume(store, duration=60.0)
    assert np.array_equal(resumed.spikes.steps, whole.spikes.steps)
    assert np.array_equal(resumed.spikes.neurons, whole.spikes.neurons)

    long = launch("-n", "2", *run, "--duration", "1000000", "--overwrite")
    end = time.monotonic() + 120
    while time.monotonic() < end and not written(store) > 60.0:
        time.sleep(0.2)
    children = [
        int(pid) for pid in subprocess.run(["pgrep", "-P", str(long.pid)], capture_output=True, text=True, check=True).stdout.split()
    ]
    os.kill(children[-1], signal.SIGKILL)
    killed = time.monotonic()
    _, problem = long.communicate(timeout=60)
    assert time.monotonic() - killed < 30
    assert long.returncode == 128 + signal.SIGKILL
    assert "process 1 of 2 was ended by signal 9" in problem
    assert rv.resume(store, duration=100.0 + written(store)).spikes.n == 250


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-n", "2"], "launch starts"),
        (["-n", "2", "--", "info", "x"], "not 'info'"),
        (["-n", "0", "--", "run", "brunel"], "at least one process"),
    ],
)
def test_what_cannot_be_launched_is_refused(words, said):
    process = launch(*words)
    _, problem = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said in problem


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = launch("-n", "2", "--port", str(port), "--", "run", "brunel")
        _, problem = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"Port {port} cannot be used" in problem
