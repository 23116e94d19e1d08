"""Several processes of which one meets what happens to programs: a port in use, Ctrl-C, standing still, a full disk."""

import re
import signal
import socket
import subprocess
import sys
import time

import pytest

import ranvier as rv
from tests.devices.test_processes import ended, started

RUN = """
import sys, warnings
import ranvier as rv
warnings.simplefilter("ignore")
rv.devices.join()
store = sys.argv[1] or None
where = {"store": store, "checkpoint_every": 20.0, "check_disk": False, "record": rv.Record("exc", "V", every=0.1)} if store else {}
def started(progress):
    if progress.time > 50.0 and not said:
        said.append(print("goes", flush=True))
said = []
net = rv.models.coba(scale=0.2)
print(rv.simulate(net, duration=1e7, dt=0.1, integrator=rv.ExponentialEuler(), progress=started, **where))
"""


def going(store=""):
    """Two processes on their way, once the first has said so."""
    running = started(2, [str(store)], RUN)
    if "goes\n" not in iter(running[0].stdout.readline, ""):
        raise AssertionError(running[0].stderr.read()[-3000:])
    return running


def both_end(running, within):
    """What both say, which must be soon."""
    began = time.monotonic()
    try:
        said = ended(running, timeout=within + 60)
    finally:
        for process in running.values():
            process.kill()
    assert time.monotonic() - began < within, {number: problem[-2000:] for number, ((_, problem), _) in said.items()}
    return {number: (problem, code) for number, ((_, problem), code) in said.items()}


LOST = "Another process of this run ended or cannot be reached"


def test_a_port_in_use_is_an_error_on_every_process():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        said = both_end(started(2, [""], RUN, patience=5, port=other.getsockname()[1]), 60)
    assert "that port is in use: another program has it" in said[0][0]
    assert "is not the one that was asked for" in said[1][0] or "came" in said[1][0]
    assert all(code != 0 for _, code in said.values())


def test_ctrl_c_in_one_of_two_ends_both():
    running = going()
    running[1].send_signal(signal.SIGINT)
    said = both_end(running, 30)
    assert "KeyboardInterrupt" in said[1][0]
    assert LOST in said[0][0]
    assert all(code != 0 for _, code in said.values())


@pytest.mark.parametrize("which", [0, 1])
def test_ctrl_c_in_one_of_two_that_write_a_store_stops_both_at_one_step(tmp_path, which):
    store = tmp_path / "run.zarr"
    running = going(store)
    running[which].send_signal(signal.SIGINT)
    said = both_end(running, 30)
    stops = {re.search(r"Stopped at t = ([\d.]+) ms", problem)[1] for problem, _ in said.values()}
    assert len(stops) == 1
    assert rv.open_store(store).spikes.stop == float(stops.pop())


@pytest.mark.parametrize("which", [0, 1])
def test_one_that_stands_still_ends_the_other_in_words(tmp_path, which):
    store = tmp_path / "run.zarr"
    running = going(store)
    running[which].send_signal(signal.SIGSTOP)
    try:
        ((_, problem), code) = ended({0: running[1 - which]}, timeout=90)[0]
    finally:
        running[which].kill()
        running[which].communicate()
    assert code != 0
    assert LOST in problem or "gave no sign of life" in problem
    assert rv.open_store(store).spikes.stop >= 20.0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tmpfs is Linux's")
def test_a_full_disk_ends_both_in_words_and_what_is_written_can_be_read(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        said = both_end(started(2, [str(disk / "run.zarr")], RUN), 120)
        assert all(code != 0 for _, code in said.values())
        assert re.search("disk is full|No space left", said[0][0])
        assert LOST in said[1][0]
        kept = rv.open_store(disk / "run.zarr")
        assert kept.spikes.stop > 0
        assert len(kept.records[0].times) > 10
    finally:
        subprocess.run(["umount", str(disk)], check=True)
