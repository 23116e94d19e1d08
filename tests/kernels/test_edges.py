"""The host kernels that build edges: native against reference, bit for bit, and what each promises."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranvier.kernels import dispatch, edges
from ranvier.kernels.edges import Candidates, EdgeRows, Tiles
from ranvier.random import Key

compared = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def module():
    if not dispatch.native_available():
        pytest.skip("the native module is not built")
    return dispatch.native_module()


def both(monkeypatch, call):
    """What `call` returns natively and on the reference path."""
    native = call()
    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "native_module", lambda: None)
        return native, call()


@st.composite
def draws(draw):
    rows, n = draw(st.integers(0, 8)), draw(st.sampled_from([0, 1, 2, 31, 64, 65, 700]))
    first = draw(st.sampled_from([0, 5, 2**31]))
    candidates = Candidates(n, draw(st.integers(-9, 3)), draw(st.booleans()))
    repeated = draw(st.booleans())
    most = candidates.sizes(first + np.arange(rows))
    degrees = [draw(st.integers(0, int(m) * (2 if repeated else 1))) for m in most]
    return Key(draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 2**32 - 1))), np.array(degrees, np.int64), first, candidates, repeated


@compared
@given(draws())
def test_draw_rows(module, monkeypatch, arguments):
    key, degrees, first, candidates, repeated = arguments
    native, reference = both(monkeypatch, lambda: edges.draw_rows(*arguments))
    np.testing.assert_array_equal(native, reference, strict=True)
    for r, row in enumerate(np.split(native, np.cumsum(degrees)[:-1])):
        assert len(row) == 0 or (row.min() >= 0 and row.max() < candidates.n)
        assert (np.diff(row) >= (0 if repeated else 1)).all()
        assert not (candidates.exclude and (row == first + r + candidates.shift).any())
    halves = [edges.draw_rows(key, some, first + at, candidates, repeated) for at, some in ((0, degrees[:3]), (3, degrees[3:]))]
    np.testing.assert_array_equal(np.concatenate(halves), native)


@compared
@given(st.integers(0, 200), st.integers(1, 7), st.integers(2, 9), st.integers(-4, 3), st.booleans(), st.integers(0, 2**64 - 1))
def test_draw_degrees(module, monkeypatch, number, rows, n, shift, exclude, seed):
    native, reference = both(monkeypatch, lambda: edges.draw_degrees(Key(seed), number, rows, Candidates(n, shift, exclude)))
    np.testing.assert_array_equal(native, reference, strict=True)
    assert native.sum() == number and (native >= 0).all()


@pytest.mark.parametrize("start", [0, 3, 2**32 - 40_000, 2**40])
def test_numbers(module, monkeypatch, start):
    """Long draws are native; short ones are not. Those across the end of the low word too."""
    n = 70_000
    for draw in (Key(3, 5).uniform, Key(3, 5).normal):
        native, reference = both(monkeypatch, lambda draw=draw: draw(n, start))
        np.testing.assert_array_equal(native, reference)
        np.testing.assert_array_equal(draw(5, start + 1234), native[1234:1239])
    np.testing.assert_array_equal(Key(3, 5).normal_at(start + np.array([7, 0, n - 1])), native[[7, 0, n - 1]])


@compared
@given(draws(), st.integers(0, 5), st.integers(0, 9))
def test_count_rows(module, monkeypatch, arguments, shift, offset):
    def call():
        count = np.full((700 + offset >> shift) + 1, 3)
        edges.count_rows(*arguments, offset, shift, count)
        return count

    native, reference = both(monkeypatch, call)
    np.testing.assert_array_equal(native, reference, strict=True)
    np.testing.assert_array_equal(native - 3, np.bincount((edges.draw_rows(*arguments) + offset) >> shift, minlength=len(native)))


@compared
@given(
    st.data(),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(0, 4),
    st.sampled_from([3, 31]),
    st.sampled_from([None, "float32", "float64", "int32", "int64"]),
)
def test_spreading_and_settling_is_a_sort(module, monkeypatch, data, sources, delays, shift, target_bits, dtype):
    """Of edges drawn target after target in two units, whatever a word is; by source, delay, and their order."""
    lengths = np.array(data.draw(st.lists(st.integers(0, 5), max_size=7)), np.int64)
    n, random = int(lengths.sum()), np.random.default_rng(data.draw(st.integers(0, 99)))
    pre = random.integers(0, sources, n).astype(np.int32)
    delay = np.minimum(random.integers(0, delays, n), data.draw(st.integers(0, 3))).astype(np.int32)
    value = np.zeros(0, "float32") if dtype is None else (1000 * random.random(n)).astype(dtype)
    begin = np.cumsum(lengths) - lengths
    order = random.permutation(len(lengths))
    rows = EdgeRows(begin[order], lengths[order], order.astype(np.int32))
    half, room, low = len(lengths) // 2, 5, 100
    tiles = Tiles(sources, delays, shift, target_bits)
    row_of = np.repeat(order, lengths[order])
    edge_of = np.concatenate([np.arange(begin[r], begin[r] + lengths[r]) for r in order] + [np.zeros(0, np.int64)]).astype(int)

    def call():
        count, used = np.zeros(tiles.n, np.int64), np.zeros(delays, bool)
        edges.count_tiles(pre, shift, count)
        ends = np.concatenate([[0], np.cumsum(count)])
        target, placed = np.full(n, -1, np.int32), np.zeros_like(value)
        words, cursor = target.view(np.uint32) if tiles.word == np.uint32 else np.zeros(n, tiles.word), ends[:-1].copy()
        for some in (slice(0, half), slice(half, None)):
            given = delay if delays > 1 else delay[:0]
            edges.spread_edges(EdgeRows(*(x[some] for x in rows)), pre, given, tiles, value, cursor, words, placed, used)
        np.testing.assert_array_equal(cursor, ends[1:])
        number = np.where(used, np.cumsum(used) - 1, -1).astype(np.int32)
        segments = np.full((sources, room + 1), -1, np.int32)
        columns = [placed] if len(value) else []
        for first, last in ((0, tiles.n // 2), (tiles.n // 2, tiles.n)):
            edges.settle_edges(tiles, first, ends[first : last + 1], words, number, low, target, columns, segments)
        return used, target, placed, segments

    native, reference = both(monkeypatch, call)
    for a, b in zip(native, reference, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
    used, target, placed, segments = native
    assert set(np.flatnonzero(used)) == set(delay)
    wanted = np.lexsort((np.arange(n), delay[edge_of], pre[edge_of]))
    np.testing.assert_array_equal(target, low + row_of[wanted])
    if len(value):
        np.testing.assert_array_equal(placed, value[edge_of][wanted])
    cells = np.stack([[((pre == i) & (delay == d)).sum() for d in np.flatnonzero(used)] for i in range(sources)]).reshape(sources, -1)
    ends = np.cumsum(cells).reshape(cells.shape)
    np.testing.assert_array_equal(segments[:, 1 : cells.shape[1] + 1], ends)
    np.testing.assert_array_equal(segments[:, 0], np.cumsum(cells.sum(axis=1)) - cells.sum(axis=1))
    assert (segments[:, cells.shape[1] :] == np.cumsum(cells.sum(axis=1))[:, None]).all()


def test_a_word_holds_what_is_known_of_an_edge():
    assert Tiles(1000, 64, 5, 16).word == np.uint32 and Tiles(1000, 64, 5, 16).n == 32 and Tiles(0, 1, 5, 16).n == 0
    assert Tiles(1000, 64, 10, 16).word == np.uint32 and Tiles(1000, 65, 10, 16).word == np.uint64


def test_delays_are_numbered(module, monkeypatch):
    delay, number = np.array([0.0, 0.14, 0.15, 0.25, 0.349]), np.array([-1, 10, 11, 12], np.int32)

    def call():
        out = np.zeros(5, np.int32)
        edges.number_delays(delay, 0.1, 1.0, number, out)
        return out

    native, reference = both(monkeypatch, call)
    np.testing.assert_array_equal(native, reference, strict=True)
    np.testing.assert_array_equal(native, number[np.maximum(np.rint(delay / 0.1), 1).astype(int)])
    for outside in (0.4, np.nan, np.inf, -1.0):
        with pytest.raises(IndexError, match="one of the 4 that are known"):
            edges.number_delays(np.array([outside]), 0.1, 0.0, number, np.zeros(1, np.int32))


def test_the_native_module_refuses_what_does_not_fit(module):
    few, many, row, numbers = np.zeros(2, np.int32), np.zeros(3, np.int32), np.zeros(1, np.int64), np.zeros(2, np.float32)
    fits = {"delay": few, "shift": 1, "bits": 3, "value": numbers, "cursor": np.zeros(2, np.int64), "words": np.zeros(2, np.uint32)}

    def spread(**changed):
        delay, shift, bits, value, cursor, words = (fits | changed).values()
        used = np.zeros(2, bool)
        module.spread_edges(row, row, few[:1], few, delay, 4, shift, bits, value, cursor, words, numbers, used)

    spread()
    for wrong, message in (
        ({"delay": many}, "one delay an edge"),
        ({"shift": 0}, "one cursor a tile"),
        ({"shift": 28, "bits": 5}, "words are too short"),
        ({"value": np.zeros(3, np.float32)}, "one value an edge"),
        ({"value": np.zeros(2)}, "one value an edge"),
        ({"words": np.zeros(1, np.uint32)}, "one value a word"),
        ({"words": np.zeros(2, np.uint16)}, "4 or 8 bytes"),
    ):
        with pytest.raises(ValueError, match=message):
            spread(**wrong)
    fits = {"first": 0, "begin": np.zeros(3, np.int64), "columns": [numbers], "segments": np.zeros(8, np.int32)}

    def settle(**changed):
        first, begin, columns, segments = (fits | changed).values()
        module.settle_edges(4, 1, 3, first, begin, np.zeros(2, np.uint32), few, 0, few, columns, segments)

    settle()
    for wrong, message in (
        ({"first": 1}, "tiles that there are"),
        ({"begin": np.zeros(0, np.int64)}, "tiles that there are"),
        ({"columns": [np.zeros(3)]}, "one number an edge"),
        ({"segments": np.zeros(9, np.int32)}, "whole segments"),
    ):
        with pytest.raises(ValueError, match=message):
            settle(**wrong)
    impossible = 1, 2, np.array([5]), 0, 3, 0, False, False
    with pytest.raises(ValueError, match="degrees that cannot be met"):
        module.draw_rows(*impossible, np.zeros(5, np.int32))
    with pytest.raises(ValueError, match="degrees that cannot be met"):
        module.count_rows(*impossible, 0, 0, np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="no pair is allowed"):
        module.draw_degrees(1, 2, 5, 1, 0, True, np.zeros(1, np.int64))
    with pytest.raises(TypeError):  # a copy would be filled, and lost
        module.count_tiles(few, 0, np.zeros(4, np.int16))
