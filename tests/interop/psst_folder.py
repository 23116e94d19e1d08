"""Writes a folder as PSST's `call.py` and `run.py` leave it."""

import numpy as np
from numpy.lib import format as npy


def save_list(path, arrays):
    """As `numpy.save` did with a list of arrays of different lengths: as a pickled array of arrays."""
    rows = np.empty(len(arrays), object)
    rows[:] = arrays
    with open(path, "wb") as file:
        npy.write_array(file, rows, allow_pickle=True)


def save_folder(folder, state_vector, *, total, batches=2, ach=((1, 0),), gaba=((2, 1),), current=None, dt=0.01):
    """What stands in the folder before anything ran: `total` ms in `batches` batches."""
    n = 3
    for name, pairs in (("ach_mat", ach), ("gaba_mat", gaba)):
        matrix = np.zeros((n, n))
        for post, pre in pairs:
            matrix[post, pre] = 1
        np.save(folder / name, matrix)
    np.save(folder / "state_vector", state_vector)
    t = np.arange(0, total, dt)
    if current is None:
        current = np.zeros((n, len(t)))
        for start, amplitude in ((100, 2.5), (300, 5.0), (500, 7.5)):
            current[0, int(start / dt) : int((start + 100) / dt)] = amplitude
    np.save(folder / "current_input", current)
    times = np.split(t, batches)
    times = [times[0], *(np.append(later[0] - dt, later) for later in times[1:])]
    save_list(folder / "time.npy", times)
    return times


def save_parts(folder, batch, states, parts=2):
    """The rows of one batch, cut as `run.py` cuts them: the first row of a later part repeats the last before it."""
    cuts = [len(piece) for piece in np.array_split(np.arange(len(states)), parts)]
    ends = np.cumsum(cuts)
    for part, (size, end) in enumerate(zip(cuts, ends, strict=True), start=1):
        np.save(folder / f"batch{batch}_part_{part}", states[max(0, end - size - (part > 1)) : end])
