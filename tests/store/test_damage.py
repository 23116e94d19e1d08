"""Each kind of file of a store, damaged in each way: nothing is read wrong in silence, nothing ends in an error of a library."""

import json
import shutil
import warnings

import numpy as np
import pytest
import xarray

import ranvier as rv
from ranvier.cli import main
from ranvier.store import layout
from ranvier.store.checkpoint import load_tree
from ranvier.store.documents import sealed, sealed_root, text_of
from ranvier.store.npy import arrays_in
from ranvier.store.repair import check, repair
from tests.store.runs import assert_same_run, small_network

HOW = {"duration": 30.0, "dt": 0.1, "seed": 3, "integrator": rv.ExponentialEuler()}


def what_is_recorded():
    return [rv.Record("cells", "V", every=0.5), rv.Record("others", ["V", "last_spike"], windows=[(0, 5), (11, 19)])]


@pytest.fixture(scope="module")
def unbroken():
    return rv.simulate(small_network(), record=what_is_recorded(), **HOW)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A complete store of several chunks."""
    path = tmp_path_factory.mktemp("whole") / "run.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "SPIKES_PER_CHUNK", 16)
        patch.setattr(layout, "chunk_rows", lambda width, itemsize: 16)
        patch.setattr(layout, "chunk_width", lambda width, itemsize, rows: 25)
        rv.simulate(small_network(), record=what_is_recorded(), store=path, checkpoint_every=7.0, **HOW)
    return path


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(layout, "SPIKES_PER_CHUNK", 16)
    monkeypatch.setattr(layout, "chunk_rows", lambda width, itemsize: 16)
    monkeypatch.setattr(layout, "chunk_width", lambda width, itemsize, rows: 25)


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy.zarr")


def read_all(store):
    """Everything in a store, each part for itself: what it says, or the error."""
    parts = {
        "steps": lambda: store.spikes.steps,
        "neurons": lambda: store.spikes.neurons,
        "between": lambda: store.spikes.between(10, 20).steps,
        "provenance": lambda: json.dumps(store.provenance),
        "network": lambda: repr(store.rebuilt_network()),
        "state": lambda: store.state.neurons["cells"]["V"],
        "info": lambda: json.dumps(store.info),
    }
    for part, variable in (("cells", "V"), ("others", "V"), ("others", "last_spike")):
        parts[f"{variable} of {part}"] = lambda part=part, variable=variable: store[part][variable].values
        parts[f"times of {variable} of {part}"] = lambda part=part, variable=variable: store[part][variable].time.values
    found = {}
    for name, read in parts.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found[name] = read()
            except rv.StoreError as error:
                found[name] = error
    return found


def same(one, other):
    return one == other if isinstance(one, str) else one.dtype == other.dtype and np.array_equal(one, other)


KINDS = {
    "the root": "zarr.json",
    "the copy of the root": "manifest.json",
    "a group": "records/cells/zarr.json",
    "an array": "records/cells/V/zarr.json",
    "steps of spikes": "spikes/time_step/c/1",
    "neurons of spikes": "spikes/neuron/c/2",
    "where spikes lie": "spikes/chunk_first_step/c/0",
    "counts": "spike_counts/0/c/0/0",
    "values": "records/cells/V/c/1/1",
    "whole numbers": "records/others/last_spike/c/2/0",
    "times": "records/cells/time/c/1",
    "times that are not regular": "records/others/time/c/0",
    "the neurons that are recorded": "records/cells/neuron/c/0",
    "the last checkpoint": "checkpoints/step-000000000300.npz",
    "the first checkpoint": "checkpoints/step-000000000000.npz",
    "provenance": "provenance.json",
    "the network's arrays": "network.npz",
}
WAYS = ("flipped", "truncated", "empty", "gone", "another's")


def damage(path, kind, way, random):
    """Damages a file of a store, at a random place."""
    file = path / KINDS[kind]
    content = bytearray(file.read_bytes())
    if way == "flipped":
        content[random.integers(len(content))] ^= 1 << random.integers(8)
    elif way == "truncated":
        content = content[: random.integers(1, len(content))]
    elif way == "empty":
        content = b""
    elif way == "another's":
        content = random.bytes(len(content))
    if way == "gone":
        file.unlink()
    else:
        file.write_bytes(content)
    return file


@pytest.fixture(scope="module")
def truth(whole):
    found = read_all(rv.open_store(whole))
    assert not any(isinstance(part, Exception) for part in found.values())
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_read_is_what_was_written(whole, tmp_path, truth, kind, way):
    random = np.random.default_rng([list(KINDS).index(kind), WAYS.index(way)])
    for i in range(4 if way == "flipped" else 1):
        path = shutil.copytree(whole, tmp_path / f"copy-{i}.zarr")
        file = damage(path, kind, way, random)
        if file.exists() and says_the_same(file, whole / KINDS[kind]):
            continue
        assert str(file) in [str(found.file) for found in check(path)]
        try:
            store = rv.open_store(path)
        except rv.StoreError as error:
            assert kind == "the root" and str(path) in str(error)
        else:
            for name, part in read_all(store).items():
                if name == "state" and kind == "the last checkpoint":  # that of the one before, and a warning
                    continue
                assert isinstance(part, rv.StoreError) or same(part, truth[name]), name
                if isinstance(part, rv.StoreError) and name not in ("network", "info"):
                    assert KINDS[kind].split("/")[-1] in str(part) and str(file) in str(part)
        with pytest.warns(UserWarning, match="is damaged"):
            store = rv.open_store(path, damaged="skip")
        assert store.gaps
        for name, part in read_all(store).items():
            if name == "info" or (name == "state" and kind == "the last checkpoint"):
                continue
            if isinstance(part, rv.StoreError):
                assert kind in ("provenance", "the network's arrays", "the root", "the last checkpoint", "the first checkpoint")
            elif name in ("steps", "neurons", "between"):
                assert len(part) <= len(truth[name])
            elif isinstance(part, np.ndarray) and part.dtype.kind == "f":
                assert ((part == truth[name]) | np.isnan(part)).all()
            else:
                assert name in ("state",) or same(part, truth[name]), name
        assert main(["info", str(path)]) in (0, 1) and main(["check", str(path)]) == 1


def says_the_same(file, other):
    """Whether a damage has changed nothing but how a document is written down, or what ZIP says of a member beside its content."""
    try:
        if file.suffix == ".npz":
            (_, mine), (_, others) = load_tree(file), load_tree(other)
            arrays = [dict(arrays_in(one)) for one in (file, other)]
            return mine == others and all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[1])
        if file.suffix == ".json":
            return json.loads(file.read_bytes()) == json.loads(other.read_bytes())
    except (ValueError, rv.StoreError):
        return False
    return file.read_bytes() == other.read_bytes()


def test_a_whole_store_has_no_damage(whole, capsys):
    assert check(whole) == [] and repair(whole) == []
    assert main(["check", str(whole)]) == 0 and "whole" in capsys.readouterr().out


def test_the_file_and_the_time_that_is_lost_are_named(copy, truth):
    damage(copy, "values", "flipped", np.random.default_rng(1))
    store = rv.open_store(copy)
    with pytest.raises(rv.StoreError, match=r"records/cells/V/c/1/1 is damaged: its checksum is wrong\. V of cells from t = 8 to 15\.5 ms"):
        _ = store["cells"].V.values
    np.testing.assert_array_equal(store["cells"].V[:16].values, truth["V of cells"][:16])
    np.testing.assert_array_equal(store["cells"].V[:, :25].values, truth["V of cells"][:, :25])
    with pytest.warns(UserWarning, match=r"V of cells from t = 8 to 15\.5 ms is lost"):
        V = rv.open_store(copy, damaged="skip")["cells"].V
    assert np.isnan(V[16:32, 25:]).all() and int(np.isnan(V).sum()) == 16 * 15
    damage(copy, "steps of spikes", "gone", np.random.default_rng(1))
    spikes = rv.open_store(copy).spikes
    with pytest.raises(rv.StoreError, match=r"time_step/c/1 is damaged: it is missing\. The spikes from t = "):
        _ = spikes.steps
    assert len(spikes.between(20, 25)) > 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("records/cells/V/c/1/0", "records/cells/V/c/2/0"),
        ("records/cells/V/c/1/0", "records/cells/V/c/1/1"),
        ("records/cells/V/c/0/0", "records/cells/V/c/3/0"),  # the last, which is not full
        ("spikes/time_step/c/0", "spikes/time_step/c/1"),
        ("spikes/neuron/c/1", "spikes/neuron/c/2"),
    ],
)
@pytest.mark.usefixtures("small_chunks")
def test_a_whole_chunk_in_the_place_of_another_is_noticed(copy, unbroken, one, other):
    """Its own checksum is right; the root says which belongs where."""
    first, second = (copy / one).read_bytes(), (copy / other).read_bytes()
    assert first != second
    (copy / one).write_bytes(second)
    (copy / other).write_bytes(first)
    assert {str(d.file.relative_to(copy)) for d in check(copy)} == {one, other}
    wrong = [part for part in read_all(rv.open_store(copy)).values() if isinstance(part, rv.StoreError)]
    assert wrong and "not the chunk that was written here" in str(wrong[0])
    with pytest.warns(UserWarning, match="computed again"):
        assert_same_run(unbroken, rv.resume(copy))
    assert check(copy) == []


@pytest.mark.usefixtures("small_chunks")
def test_a_store_that_does_not_say_where_chunks_belong_is_read_and_gone_on_with(copy, truth):
    root = json.loads((copy / "zarr.json").read_text())
    facts = {k: v for k, v in root["attributes"]["ranvier"].items() if k not in ("checksum", "chunk_sums")}
    (copy / "zarr.json").write_bytes(text_of(sealed_root("ranvier", facts, root["consolidated_metadata"]["metadata"])))
    assert check(copy) == []
    found = read_all(rv.open_store(copy))
    assert all(same(found[part], value) for part, value in truth.items() if part != "info")
    rv.resume(copy, duration=40.0)
    listed = json.loads((copy / "zarr.json").read_text())["attributes"]["ranvier"]["chunk_sums"]
    longer = {place: len(sums) for place, sums in listed.items()}
    assert longer == {place: len(sums) for place, sums in _sums_of_a_run_of(40.0, copy.parent / "new.zarr").items()}
    one, other = copy / "records/cells/V/c/1/0", copy / "records/cells/V/c/2/0"
    shutil.copy(one, other)
    assert [d.file for d in check(copy)] == [other]


def _sums_of_a_run_of(duration, path):
    rv.simulate(small_network(), record=what_is_recorded(), store=path, checkpoint_every=7.0, **{**HOW, "duration": duration})
    return layout.root_of(path).facts["chunk_sums"]


def test_a_chunk_that_is_gone_is_nothing_to_others_either(copy):
    """Other programs take a chunk that is not there for the fill value: that is no number of a potential, and no step."""
    (copy / "records/cells/V/c/1/1").unlink()
    assert np.isnan(xarray.open_zarr(copy, group="records/cells", chunks=None).V[16:32, 25:]).all()
    with pytest.raises(ValueError, match="checksum"):
        damage(copy, "values of others" if False else "times", "flipped", np.random.default_rng(0))
        xarray.open_zarr(copy, group="records/cells", chunks=None).load()


@pytest.mark.parametrize(
    ("kind", "way", "back_to"),
    [
        ("values", "gone", 7),
        ("steps of spikes", "truncated", 0),
        ("counts", "empty", 0),
        ("the last checkpoint", "flipped", 28),
        ("the last checkpoint", "gone", 28),
        ("the root", "truncated", 30),
        ("an array", "gone", 30),
    ],
)
@pytest.mark.usefixtures("small_chunks")
def test_a_complete_run_goes_back_and_computes_again(copy, unbroken, kind, way, back_to):
    damage(copy, kind, way, np.random.default_rng(3))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run = rv.resume(copy)
    assert_same_run(unbroken, run)
    words = " ".join(str(w.message) for w in said)
    if kind not in ("an array",):
        assert KINDS[kind] in words or "is missing" in words
    if back_to < 30:
        assert "computed again" in words and run.info["steps"] >= (30 - back_to) / 0.1 - 1
    assert not [d for d in check(copy) if d.data] and rv.open_store(copy).status == "complete"
    assert_same_run(unbroken, rv.resume(copy))


@pytest.mark.parametrize(
    "kind", ["values", "neurons of spikes", "whole numbers", "the first checkpoint", "a group", "the copy of the root"]
)
@pytest.mark.usefixtures("small_chunks")
def test_repaired(copy, unbroken, capsys, kind):
    damage(copy, kind, "flipped", np.random.default_rng(5))
    assert main(["repair", str(copy)]) == 0
    assert KINDS[kind] in capsys.readouterr().out
    assert check(copy) == []
    assert_same_run(unbroken, rv.resume(copy))


def test_what_was_not_complete_is_not_after_its_repair(tmp_path):
    path = tmp_path / "run.zarr"

    def look(progress):
        if progress.time >= 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rv.simulate(small_network(), record=what_is_recorded(), store=path, checkpoint_every=5.0, progress=look, **HOW)
    before = rv.open_store(path)
    (path / "records/cells/V/c/0/0").unlink()
    assert repair(path)
    after = rv.open_store(path)
    assert after.status == "interrupted" and after.info["written_step"] == before.info["written_step"] and after.info["target_step"] == 300
    assert check(path) == []


@pytest.mark.parametrize("key", ["seed", "dt", "weight", "sessions"])
def test_what_was_edited_by_hand_is_noticed(copy, key):
    """Also where whoever edited it made a new checksum."""
    document = json.loads((copy / "provenance.json").read_text())
    if key == "weight":
        document["network"]["projections"][0]["weight"] = 8.5
    else:
        document[key] = {"seed": 4, "dt": 0.2, "sessions": []}[key]
    (copy / "provenance.json").write_text(json.dumps(document))
    for use in (rv.resume, lambda path: rv.resume(path, duration=40.0), lambda path: rv.open_store(path).provenance):
        with pytest.raises(rv.StoreError, match=r"provenance\.json is damaged"):
            use(copy)
    if key != "sessions":
        (copy / "provenance.json").write_bytes(text_of(sealed(document)))
        with pytest.raises(rv.StoreError, match=r"provenance\.json is damaged"):
            rv.resume(copy, duration=40.0)
    assert len(rv.open_store(copy).spikes) > 0
    root = json.loads((copy / "zarr.json").read_text())
    root["attributes"]["ranvier"]["seed"] = 4
    (copy / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(rv.StoreError, match=r"zarr\.json is damaged: its checksum is wrong"):
        rv.open_store(copy)


def test_what_others_say_beside_is_theirs(copy):
    """An attribute that someone adds to the root with another program does no harm."""
    root = json.loads((copy / "zarr.json").read_text())
    root["attributes"]["my notes"] = "a good run"
    (copy / "zarr.json").write_text(json.dumps(root, indent=2))
    assert check(copy) == [] and rv.open_store(copy).status == "complete"


def test_sealed_root_is_what_is_in_the_store(copy):
    root = layout.root_of(copy)
    assert json.loads((copy / "zarr.json").read_text()) == sealed_root("ranvier", root.facts, root.described)
