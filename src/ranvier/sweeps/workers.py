"""Batches of a sweep elsewhere: in the threads or processes of an executor, on a Dask cluster, or with Ray."""

from __future__ import annotations

import concurrent.futures
import copy
import hashlib
import importlib
import pickle
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ranvier import doors
from ranvier.connect.work import usable_cores
from ranvier.errors import RanvierError, UnsupportedError
from ranvier.network.spec import Network
from ranvier.simulation import Simulation
from ranvier.sweeps.members import Task
from ranvier.sweeps.outcome import Outcome
from ranvier.sweeps.sets import Sets

if TYPE_CHECKING:
    import xarray

    from ranvier.sweeps.run import Runner

RETRIES = 2  # of a batch whose worker was lost, where the executor can start it again


class SweepStopped(RanvierError, RuntimeError):
    """A sweep ended before all of its sets had run: what ran them is gone.

    Attributes:
        dataset: what had been finished; the other sets are NaN, and `finished` says which they are.
    """

    dataset: xarray.Dataset | None = None


class Lost(Exception):
    """The executor is gone, or one of its workers, and will not come back."""


def checked(executor: Any) -> Any:
    """An executor, or None.

    Raises:
        ParameterError: it is something else.
    """
    known = executor is None or _is_ray(executor) or isinstance(executor, concurrent.futures.Executor) or hasattr(executor, "get_executor")
    if isinstance(executor, type) or not known:
        raise doors.refusal(
            "executor",
            executor,
            "a concurrent.futures.Executor such as ProcessPoolExecutor(mp_context=get_context('spawn')), a Dask client, or the module ray",
        )
    return executor


def _is_ray(executor: Any) -> bool:
    return getattr(executor, "__name__", "") == "ray" and hasattr(executor, "remote")


def workers_of(executor: Any) -> int:
    """How many batches an executor runs at once, as far as it tells."""
    if executor is None:
        return usable_cores()
    if _is_ray(executor):
        if not executor.is_initialized():
            executor.init(ignore_reinit_error=True)
        return max(1, int(executor.cluster_resources().get("CPU", 1)))
    if hasattr(executor, "nthreads"):
        return max(1, sum(executor.nthreads().values()))
    return int(getattr(executor, "_max_workers", None) or usable_cores())


def outcomes(executor: Any, runner: Runner) -> Iterator[dict[int, Outcome | str]]:
    """What the sets gave, as they are finished.

    Raises:
        Lost: what runs them is gone.
    """
    if isinstance(executor, concurrent.futures.ThreadPoolExecutor):
        yield from _gathered(executor, runner.run, [(some,) for some in runner.batches])
        return
    payload = packed(runner.task, runner.sets, runner.size)
    arguments = [(payload, some) for some in runner.batches]
    if _is_ray(executor):
        yield from _with_ray(executor, arguments)
    elif hasattr(executor, "get_executor"):
        yield from _gathered(executor.get_executor(pure=False, retries=RETRIES), run_sets, arguments)
    else:
        yield from _gathered(executor, run_sets, arguments)


def _gathered(executor: Any, function: Any, arguments: Sequence[tuple[Any, ...]]) -> Iterator[dict[int, Outcome | str]]:
    futures: list[Any] = []
    try:
        for some in arguments:
            futures.append(executor.submit(function, *some))
        for future in concurrent.futures.as_completed(futures):
            yield future.result()
    except (concurrent.futures.BrokenExecutor, concurrent.futures.CancelledError) as error:
        raise Lost(f"{type(error).__name__}: {error}") from error
    except RuntimeError as error:
        if "shutdown" in str(error) or type(error).__name__ == "KilledWorker":
            raise Lost(f"{type(error).__name__}: {error}") from error
        raise
    except Exception as error:
        if type(error).__name__ in ("KilledWorker", "FutureCancelledError", "CommClosedError"):
            raise Lost(f"{type(error).__name__}: {error}") from error
        raise
    finally:
        for future in futures:
            future.cancel()


def _with_ray(ray: Any, arguments: Sequence[tuple[Any, ...]]) -> Iterator[dict[int, Outcome | str]]:
    function = ray.remote(max_retries=RETRIES)(run_sets)
    payload = ray.put(arguments[0][0]) if arguments else None
    waiting = [function.remote(payload, some) for _, some in arguments]
    try:
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1)
            for one in ready:
                yield ray.get(one)
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.RaySystemError) as error:
        raise Lost(f"{type(error).__name__}: {error}") from error
    except ray.exceptions.RayTaskError as error:
        cause = getattr(error, "cause", None)
        raise (cause if isinstance(cause, RanvierError) else error) from None
    finally:
        for one in waiting:
            ray.cancel(one)


# -- there and back --------------------------------------------------------------------------------------


def packed(task: Task, sets: Sets, size: int) -> bytes:
    """A sweep as bytes.

    Raises:
        UnsupportedError: a part of it cannot go to another process.
    """
    sim = task.sim
    records = None
    if sim.records is not None:
        records = []
        for record in sim.records:
            one = copy.copy(record)
            one.part = None if record.part is None else sim.network.find(record.part)[0]
            records.append(one)
    parts = []
    for kind in ("populations", "projections", "poisson"):
        for name, part in getattr(sim.network, kind).items():
            parts.append((name, part))
    whole = {
        "parts": parts,
        "how": {
            "dt": sim.dt,
            "integrators": dict(sim.integrators),
            "seed": sim.seed,
            "precision": sim.precision,
            "records": records,
            "spike_timing": sim.spike_timing,
        },
        "task": (task.steps, task.seed, task.initial, task.wanted, task.exact),
        "sets": sets,
        "size": size,
    }
    try:
        pickler: Any = importlib.import_module(
            "cloudpickle"
        )  # it comes with Dask and Ray, and takes functions that were written in a notebook
    except ImportError:
        pickler = pickle
    try:
        return bytes(pickler.dumps(whole))
    except Exception as error:
        raise UnsupportedError(
            f"This sweep cannot go to another process ({type(error).__name__}: {error}). Functions in it (rules, weights, records, "
            "functions=) must be ones that Python can import: written in a module, with def. With cloudpickle installed, any will do."
        ) from error


_runners: dict[str, Any] = {}


def run_sets(payload: bytes, indices: list[int]) -> dict[int, Outcome | str]:
    """Runs some sets, in a worker. What is prepared for the first batch serves the others."""
    from ranvier.sweeps.run import Runner

    key = hashlib.sha256(payload).hexdigest()
    runner = _runners.get(key)
    if runner is None:
        whole = pickle.loads(payload)
        sim = Simulation(_network(whole["parts"]), **whole["how"])
        steps, seed, initial, wanted, exact = whole["task"]
        task = Task(sim, steps, seed, initial, wanted, exact)
        _runners.clear()
        runner = _runners[key] = Runner(task, whole["sets"], [], whole["size"], 1)
        runner.size = whole["size"]
    return runner.run(indices)


def _network(parts: Sequence[tuple[str, Any]]) -> Network:
    """The network again; its parts keep the names that they had."""
    for name, part in parts:
        part.name = name
    return Network(*(part for _, part in parts))
