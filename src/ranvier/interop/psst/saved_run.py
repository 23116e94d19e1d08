"""The folder of `.npy` files that PSST's Day 5 leaves: what its caller and runner saved, as a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.errors import ParameterError
from ranvier.interop.psst.arrays import read_array
from ranvier.interop.psst.batches import Stitched, Times
from ranvier.interop.psst.vector import from_vector, layout
from ranvier.network.spec import Network, Population, Projection
from ranvier.network.state import SimulationState
from ranvier.neurons.bazhenov import BazhenovNeuron
from ranvier.simulate import simulate
from ranvier.stimuli.sampled import PublishedSampling, Sampled
from ranvier.synapses.kinetic import Cholinergic, GradedGABA

if TYPE_CHECKING:
    import xarray

    from ranvier.result import Result


@dataclasses.dataclass(frozen=True)
class SavedRun:
    """A folder that PSST's `call.py` and `run.py` left.

    Attributes:
        folder: where it lies.
        network: the network, with the folder's matrices and current.
        initial: the state that the run began with.
        dt: the time step (ms).
        duration: from the first to the last time in `time.npy` (ms).
        times: the times of the saved rows (ms), `[rows]`, each once.
        states: the saved rows, `[rows, states]`, in the order of `layout(network)`.
        restarts: the times (ms) at which a batch begins with the initial state again.
        findings: what is not as it should be, in words.
    """

    folder: Path
    network: Network
    initial: SimulationState
    dt: float
    duration: float
    times: np.ndarray
    states: np.ndarray
    restarts: list[float]
    findings: list[str]

    def simulate(self, **options: Any) -> Result:
        """Runs the folder: the whole of `time.npy` from its initial state, without a break.

        Args:
            options: for `rv.simulate`: `record`, `duration`, `store`, ….

        Returns:
            A `Result`; the neurons are the population `"X"`.
        """
        return simulate(self.network, **{"duration": self.duration, "dt": self.dt, "initial": self.initial, **options})

    def dataset(self) -> xarray.Dataset:
        """The saved rows by name: V, m, h and n of each neuron, the open fraction of each synapse, the last fire times (ms)."""
        import xarray

        dataset = xarray.Dataset(coords={"time": ("time", self.times, {"units": "ms"})})
        first = 0
        for s in layout(self.network):
            name, along = s.variable.rpartition(".")[2], "neuron"
            if name == "open":
                name, along = f"{s.part}.open", f"{s.part}.synapse"
            unit = {"V": "mV", "fire_t": "ms"}.get(name, "1")
            dataset[name] = (("time", along), self.states[:, first : first + s.length], {"units": unit})
            first += s.length
        return dataset

    def __repr__(self) -> str:
        said = "".join(f"\n  {finding}" for finding in self.findings)
        n = self.network.populations["X"].n
        return f"<PSST run of {n} neurons over {self.duration:g} ms, {len(self.times)} rows saved{said}>"


def load_run(folder: str | Path, *, published: bool = True) -> SavedRun:
    """Reads the folder that PSST's Day 5 leaves.

    It must hold `ach_mat.npy`, `gaba_mat.npy`, `state_vector.npy`,
    `current_input.npy` and `time.npy`. What there is of
    `batch{i}_part_{j}.npy` is put together: the first row of a later part
    repeats the last of the one before, and goes. A batch that does not go on where the one
    before ended is found, and said.

    The parameters of cells and synapses are in PSST's `run.py`, not in these
    files, and are taken as published: `BazhenovNeuron()`, 0.35 mS/cm² for
    acetylcholine and 0.8 mS/cm² for GABA.

    Args:
        folder: the folder.
        published: samples the current, and rounds the times of spikes, as the
            published code does, to reproduce it. False takes the rules that are right.

    Raises:
        ParameterError: a file is missing, is not what it should be, or does not
            fit the others. `time.npy` is a pickle; it is read without running anything in it.

    Source: Mohanta & Assisi 2019 (PSST), Day 5.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ParameterError(f"There is no folder {folder}." if not folder.exists() else f"{folder} is not a folder.")
    times = Times(folder / "time.npy")
    network = _network(folder, times.dt, published)
    state_vector = np.array(read_array(folder / "state_vector.npy"), np.float64)
    states = sum(s.length for s in layout(network))
    if state_vector.shape != (states,):
        raise ParameterError(
            f"{folder / 'state_vector.npy'} has the shape {state_vector.shape}, but the matrices make a network of {states} states: "
            "V, m, h and n of each neuron, an open fraction of each synapse, and a last fire time of each neuron."
        )
    if not np.isfinite(state_vector).all():
        index = int(np.flatnonzero(~np.isfinite(state_vector))[0])
        raise ParameterError(f"{folder / 'state_vector.npy'} is not finite at index {index}.")
    stitched = Stitched(folder, times, state_vector)
    return SavedRun(
        folder=folder,
        network=network,
        initial=from_vector(network, stitched.initial, dt=times.dt, time=times.start),
        dt=times.dt,
        duration=times.duration,
        times=stitched.times,
        states=stitched.rows,
        restarts=stitched.restarts,
        findings=stitched.findings,
    )


def _network(folder: Path, dt: float, published: bool) -> Network:
    matrices = {}
    for name in ("ach_mat", "gaba_mat"):
        matrix = np.array(read_array(folder / f"{name}.npy"))
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.isin(matrix, (0, 1)).all():
            raise ParameterError(
                f"{folder / name}.npy must be a square matrix of zeros and ones, [neurons, neurons]; it has the shape {matrix.shape}."
            )
        matrices[name] = matrix
    n = len(matrices["ach_mat"])
    if len(matrices["gaba_mat"]) != n:
        raise ParameterError(f"In {folder}, ach_mat.npy is for {n} neurons and gaba_mat.npy for {len(matrices['gaba_mat'])}.")
    current = np.array(read_array(folder / "current_input.npy"), np.float64)
    if current.ndim != 2 or current.shape[0] != n or not current.size:
        raise ParameterError(f"{folder / 'current_input.npy'} must be [neurons, samples] for {n} neurons; its shape is {current.shape}.")
    sampled = (PublishedSampling if published else Sampled)(current.T, every=dt)
    cells = Population(n, BazhenovNeuron(), current=sampled, name="X")
    acetylcholine = Cholinergic(published_rounding=published)
    return Network(
        cells,
        Projection(cells, cells, acetylcholine, matrices["ach_mat"], weight=0.35, site="edge", name="acetylcholine"),
        Projection(cells, cells, GradedGABA(), matrices["gaba_mat"], weight=0.8, site="edge", name="GABA"),
    )
