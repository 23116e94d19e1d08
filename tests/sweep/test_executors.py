"""Sweeps on executors: threads, spawned processes, Dask and Ray; and workers that die."""

import concurrent.futures
import multiprocessing
import os
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray

import ranvier as rv
from ranvier.sweeps import SweepStopped

EXC = rv.Population(4, rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=rv.normal(300.0, 20.0), name="exc")
WIRE = rv.Projection(EXC, EXC, rv.synapses.ExponentialCurrent(tau=3.0), rv.connect.pairwise_bernoulli(0.5), weight=20.0, name="wire")
NET = rv.Network(EXC, WIRE)
SETS = {"wire.weight": [0.0, 20.0, 40.0], "seed": [1, 2]}
HOW = {"dt": 0.1, "batch": 2, "record": rv.Record(EXC, "V", every=5.0)}


def spawned(workers=1):
    return concurrent.futures.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


@pytest.fixture(scope="module")
def here():
    return rv.sweep(NET, SETS, 30.0, **HOW).drop_attrs()


def last_time(run):
    return float(run.spikes.times[-1])


def in_words(run):
    return "many"


@pytest.fixture(autouse=True)
def tests_can_be_imported_by_workers(monkeypatch):
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p))
    monkeypatch.syspath_prepend(root)


class Killer:
    """Kills its process at a set, the first time."""

    def __init__(self, mark, again=False):
        self.mark, self.again = str(mark), again

    def __call__(self, run):
        if run.info["seed"] == 2 and (self.again or not Path(self.mark).exists()):
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return len(run.spikes)


def test_threads_give_the_same(here):
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        there = rv.sweep(NET, SETS, 30.0, executor=executor, **HOW)
    xarray.testing.assert_identical(there.drop_attrs(), here)


def test_spawned_processes_give_the_same(here):
    with spawned() as executor:
        there = rv.sweep(NET, SETS, 30.0, executor=executor, functions={"last": last_time}, **HOW)
    xarray.testing.assert_identical(there.drop_attrs().drop_vars("last"), here)
    assert (there["last"] > 10).all()


def test_a_killed_worker_ends_with_what_was_finished_and_the_store_goes_on(tmp_path):
    how = {**HOW, "batch": 1, "store": tmp_path / "sweep.zarr", "functions": {"n": Killer(tmp_path / "mark", again=False)}}
    with spawned() as executor, pytest.raises(SweepStopped, match=r"BrokenProcessPool.*Make the same call") as error:
        rv.sweep(NET, SETS, 30.0, executor=executor, **how)
    finished = error.value.dataset.finished.values
    assert 0 < finished.sum() < 6 and np.isnan(error.value.dataset["exc.mean_rate"].values[~finished]).all()
    whole = rv.sweep(NET, SETS, 30.0, **how)
    assert whole.finished.all() and not np.isnan(whole["exc.mean_rate"].values).any()


def test_what_cannot_be_sent_and_what_is_no_executor_is_refused(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cloudpickle", None)
    with spawned() as executor, pytest.raises(rv.UnsupportedError, match="cannot go to another process"):
        rv.sweep(NET, SETS, 30.0, executor=executor, functions={"n": lambda run: 1}, **HOW)
    for wrong in (3, "dask", concurrent.futures.ProcessPoolExecutor):
        with pytest.raises(rv.ParameterError, match="executor"):
            rv.sweep(NET, SETS, 30.0, executor=wrong, **HOW)
    closed = concurrent.futures.ThreadPoolExecutor(1)
    closed.shutdown()
    with pytest.raises(SweepStopped, match="6 of 6 sets have not run"):
        rv.sweep(NET, SETS, 30.0, executor=closed, **HOW)


def test_an_error_in_a_worker_comes_back():
    with spawned() as executor, pytest.raises(rv.ParameterError, match="gave str"):
        rv.sweep(NET, SETS, 30.0, executor=executor, functions={"words": in_words}, **HOW)


@pytest.mark.filterwarnings("ignore")
def test_dask_gives_the_same_and_runs_a_killed_workers_sets_again(here, tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(1, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        there = rv.sweep(NET, SETS, 30.0, executor=client, functions={"n": Killer(tmp_path / "mark")}, **HOW)
    assert (tmp_path / "mark").exists()
    xarray.testing.assert_identical(there.drop_attrs().drop_vars("n"), here)


@pytest.mark.filterwarnings("ignore")
def test_ray_gives_the_same_and_runs_a_killed_workers_sets_again(here, tmp_path):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)
    try:
        there = rv.sweep(NET, SETS, 30.0, executor=ray, functions={"n": Killer(tmp_path / "mark")}, **HOW)
    finally:
        ray.shutdown()
    assert (tmp_path / "mark").exists()
    xarray.testing.assert_identical(there.drop_attrs().drop_vars("n"), here)
