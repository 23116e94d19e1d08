"""Folders that PSST's Day 5 left: stitched, run, and what is refused."""

import os
import pickle
import shutil

import numpy as np
import pytest

import ranvier as rv
from ranvier.cli import main
from ranvier.interop import psst
from ranvier.interop.psst.arrays import read_arrays
from tests.interop.psst_folder import save_folder, save_parts

STATE = np.concatenate([[-71.0, -70.0, -72.0], np.zeros(9), np.zeros(2), np.full(3, psst.NOT_YET)])
CURRENT = np.repeat([[8.0], [0.0], [0.0]], 2000, axis=1)


def rows_of(folder, start, stop, begin):
    """The state vectors at all steps from `start` to `stop` ms, begun with the vector `begin`."""
    network = psst.load_run(folder).network
    state = psst.from_vector(network, begin, time=start)
    record = [rv.Record("X", [*"Vmhn", "last_spike"]), rv.Record("acetylcholine", "open"), rv.Record("GABA", "open")]
    run = rv.simulate(network, duration=stop - start, initial=state, record=record)
    fire = np.where(np.isfinite(run["X"]["last_spike"].values), run["X"]["last_spike"].values, begin[-3:])
    columns = [run["X"][v].values for v in "Vmhn"] + [run[p].open.values for p in ("acetylcholine", "GABA")] + [fire]
    return np.concatenate(columns, axis=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """20 ms in two batches of two parts, saved as they should have been, and its rows."""
    folder = tmp_path_factory.mktemp("whole")
    times = save_folder(folder, STATE, total=20, current=CURRENT)
    rows = rows_of(folder, 0.0, 19.99, STATE)
    save_parts(folder, 1, rows[: len(times[0])])
    save_parts(folder, 2, rows[len(times[0]) - 1 :])
    return folder, rows


@pytest.fixture
def copy(whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole[0], folder)
    return folder


def test_parts_are_put_together(whole):
    saved = psst.load_run(whole[0])
    assert saved.findings == [] and saved.restarts == []
    np.testing.assert_array_equal(saved.states, whole[1])
    np.testing.assert_allclose(saved.times, np.arange(2000) * 0.01, rtol=0, atol=1e-12)
    data = saved.dataset()
    np.testing.assert_array_equal(data.V, whole[1][:, :3])
    assert data.V.attrs["units"] == "mV" and data["GABA.open"].shape == (2000, 1)
    assert repr(saved) == "<PSST run of 3 neurons over 19.99 ms, 2000 rows saved>"


def test_it_runs_as_it_stands(whole):
    run = psst.load_run(whole[0]).simulate(record=[rv.Record("X", "V")])
    np.testing.assert_array_equal(run["X"].V.values, whole[1][:, :3])
    assert len(run.spikes) > 0


def test_a_batch_that_starts_anew_is_found(copy):
    times = read_arrays(copy / "time.npy")
    save_parts(copy, 2, rows_of(copy, times[1][0], times[1][-1], STATE))
    saved = psst.load_run(copy)
    assert saved.restarts == [9.99]
    assert saved.findings == ["batch 2 starts from the initial state again at 9.99 ms, instead of going on from the end of batch 1."]
    assert len(saved.states) == len(saved.times) == 2000


def test_a_batch_that_begins_elsewhere_is_found(copy):
    rows = np.load(copy / "batch2_part_1.npy")
    rows[0, 0] += 1.0
    np.save(copy / "batch2_part_1.npy", rows)
    saved = psst.load_run(copy)
    assert saved.restarts == [] and saved.findings == ["batch 2 does not begin where batch 1 ended (9.99 ms)."]


def test_a_part_that_does_not_go_on_is_found(copy):
    rows = np.load(copy / "batch1_part_2.npy")
    np.save(copy / "batch1_part_2.npy", rows[1:])
    findings = psst.load_run(copy).findings
    assert findings[0] == "part 2 of batch 1 does not begin with the last row of part 1."
    assert findings[1] == "batch 1 is not complete: 999 of 1000 rows were saved."


def test_what_is_not_there_is_said(copy):
    (copy / "batch1_part_1.npy").unlink()
    for path in copy.glob("batch2_*"):
        path.unlink()
    np.save(copy / "batch3_part_1.npy", np.zeros((2, 17)))
    saved = psst.load_run(copy)
    assert saved.findings == [
        "batch 1 has no part 1; the parts after it are left out.",
        "batch 3 is left out: time.npy has 2 batches.",
        "batch 2 was not saved.",
    ]
    assert saved.states.shape == (0, 17) and saved.times.shape == (0,)


def test_no_batch_yet(tmp_path):
    save_folder(tmp_path, STATE, total=1, batches=1, current=CURRENT)  # one batch: time.npy is a plain array of one row
    saved = psst.load_run(tmp_path)
    assert saved.findings == [] and len(saved.states) == 0
    assert saved.simulate().state.step == 99


def test_a_state_vector_that_was_overwritten(copy, whole):
    """As by a runner that saves its last state for the next batch, under the same name."""
    np.save(copy / "state_vector.npy", whole[1][-1])
    saved = psst.load_run(copy)
    assert "state_vector.npy is not the state that batch 1 begins with" in saved.findings[0]
    np.testing.assert_array_equal(psst.to_vector(saved.network, saved.initial), STATE)


def test_the_rules_that_are_right(whole):
    cells = psst.load_run(whole[0], published=False).network
    assert type(cells.populations["X"].current) is rv.stimuli.Sampled
    assert not cells.projections["acetylcholine"].synapse.published_rounding


# -- the pickle ---------------------------------------------------------------------------------------


class Hostile:
    def __init__(self, function, *arguments):
        self.made = function, arguments

    def __reduce__(self):
        return self.made


def write_object_array(path, pickled):
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (2,)})
        file.write(pickled)


def test_an_older_numpy_named_its_modules_otherwise(tmp_path):
    times = [np.arange(3.0), np.arange(4.0)]
    rows = np.empty(2, object)
    rows[:] = times
    newer = pickle.dumps(rows, protocol=3)
    older = newer.replace(b"cnumpy._core.", b"cnumpy.core.")
    assert older != newer
    for pickled in (newer, older, pickle.dumps(rows, protocol=4)):
        write_object_array(tmp_path / "time.npy", pickled)
        for ours, theirs in zip(read_arrays(tmp_path / "time.npy"), times, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize(
    ("function", "name"),
    [(os.system, "system"), (eval, "eval"), (getattr, "getattr"), (np.load, "load"), (np.frombuffer, "frombuffer")],
)
def test_a_hostile_pickle_is_refused_and_runs_nothing(copy, capsys, protocol, function, name):
    proof = copy / "it-ran"
    argument = f"touch '{proof}'" if function is os.system else f"open({str(proof)!r}, 'w')"
    write_object_array(copy / "time.npy", pickle.dumps(Hostile(function, argument), protocol=protocol))
    with pytest.raises(rv.ParameterError, match=f"time.npy was refused: it asks for .*{name}, which an array does not need"):
        psst.load_run(copy)
    assert main(["run", "psst-folder", str(copy)]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert not proof.exists()


def test_hidden_inside_an_array(copy):
    """The call sits among the values of an honest array of arrays."""
    proof = copy / "it-ran"
    rows = np.empty(2, object)
    rows[:] = [np.arange(3.0), Hostile(os.system, f"touch '{proof}'")]
    write_object_array(copy / "time.npy", pickle.dumps(rows, protocol=3))
    with pytest.raises(rv.ParameterError, match="was refused"):
        psst.load_run(copy)
    assert not proof.exists()


@pytest.mark.parametrize(
    "value",
    [
        [np.zeros(3), "text"],
        [np.zeros(3), None],
        [np.zeros(3), np.array([b"x", "y"], object)],
        [np.zeros(3), np.array(["text"])],
        [np.zeros(3), np.zeros(2, [("a", "f8")])],
        [np.zeros(3), np.array(["2020-01-01"], "datetime64[D]")],
        [np.zeros(3), np.zeros(2, complex)],
    ],
)
def test_what_is_not_numbers_is_refused(tmp_path, value):
    rows = np.empty(2, object)
    rows[:] = value
    write_object_array(tmp_path / "time.npy", pickle.dumps(rows, protocol=3))
    with pytest.raises(rv.ParameterError):
        read_arrays(tmp_path / "time.npy")


@pytest.mark.parametrize("pickled", [b"", b"\x80\x03", b"garbage", pickle.dumps([1.0, 2.0]), pickle.dumps(np.zeros(2))])
def test_damaged_files_are_refused(tmp_path, pickled):
    write_object_array(tmp_path / "time.npy", pickled)
    with pytest.raises(rv.ParameterError, match=r"time\.npy"):
        read_arrays(tmp_path / "time.npy")


def test_every_shortened_file_is_refused(copy):
    content = (copy / "time.npy").read_bytes()
    for length in range(0, len(content), 997):
        (copy / "time.npy").write_bytes(content[:length])
        with pytest.raises(rv.ParameterError, match=r"time\.npy"):
            read_arrays(copy / "time.npy")


# -- what does not fit --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ach_mat", "gaba_mat", "state_vector", "current_input", "time"])
def test_a_missing_file_is_named(copy, name):
    (copy / f"{name}.npy").unlink()
    with pytest.raises(rv.ParameterError, match=rf"There is no file .*{name}\.npy"):
        psst.load_run(copy)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("ach_mat", np.full((3, 3), 2.0), "zeros and ones"),
        ("ach_mat", np.zeros((3, 2)), "square"),
        ("gaba_mat", np.zeros((4, 4)), "ach_mat.npy is for 3 neurons and gaba_mat.npy for 4"),
        ("state_vector", STATE[:-1], "a network of 17 states"),
        ("state_vector", np.full(17, np.nan), "not finite at index 0"),
        ("current_input", CURRENT.T, r"must be \[neurons, samples\] for 3 neurons"),
        ("current_input", np.array(["a"]), "not an array of numbers"),
        ("batch1_part_1", np.zeros((5, 4)), r"must be \[times, 17 states\]"),
        ("batch1_part_1", np.zeros((1100, 17)), "1600 rows, but time.npy has 1000 times"),
        ("time", np.zeros((2, 3)), "must rise"),
        ("time", np.array([[0.0, 0.1, 0.3]]), "apart throughout"),
    ],
)
def test_what_does_not_fit_is_refused(copy, name, array, message):
    np.save(copy / f"{name}.npy", array)
    with pytest.raises(rv.ParameterError, match=message):
        psst.load_run(copy)


def test_no_folder(tmp_path):
    with pytest.raises(rv.ParameterError, match="There is no folder"):
        psst.load_run(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(rv.ParameterError, match="is not a folder"):
        psst.load_run(tmp_path / "file")


# -- the command --------------------------------------------------------------------------------------


def test_the_command_runs_a_folder_and_compares(copy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    times = read_arrays(copy / "time.npy")
    save_parts(copy, 2, rows_of(copy, times[1][0], times[1][-1], STATE))
    assert main(["run", "psst-folder", str(copy), "--no-plots"]) == 0
    out = capsys.readouterr().out
    assert "2000" in out and "0.0e+00 mV at most, up to 9.9 ms" in out and "starts from the initial state again at 9.99 ms" in out
    assert (tmp_path / "results" / "psst-run-seed0" / "spikes.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["psst-folder"], "Say which folder"),
        (["psst-folder", "nothing"], "There is no folder nothing"),
        (["psst-folder", "nothing", "--dt", "0.1"], "the time step is that of time.npy"),
        (["psst-folder", "nothing", "--seed", "1"], "nothing in it is drawn"),
        (["locust", "nothing"], "Only psst-folder takes a folder"),
    ],
)
def test_the_command_refuses(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["run", *arguments]) == 1
    assert message in capsys.readouterr().err
