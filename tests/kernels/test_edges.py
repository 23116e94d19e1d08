"""The host kernels that build edges: native against reference, bit for bit, and what each promises."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranvier.kernels import dispatch, edges
from ranvier.kernels.edges import Candidates, EdgeRows
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
@given(st.data(), st.integers(1, 6), st.integers(1, 3), st.sampled_from([np.int32, np.int64]), st.sampled_from(["float32", "float64"]))
def test_counting_and_placing(module, monkeypatch, data, sources, delays, counter, dtype):
    lengths = np.array(data.draw(st.lists(st.integers(0, 5), max_size=5)), np.int64)
    n, random = int(lengths.sum()), np.random.default_rng(data.draw(st.integers(0, 99)))
    pre = random.integers(0, sources, n).astype(np.int32)
    delay = (random.integers(0, delays, n) if delays > 1 else np.zeros(0)).astype(np.int32)
    weight = (random.random(n) if data.draw(st.booleans()) else np.zeros(0)).astype(dtype)
    order = random.permutation(len(lengths))
    rows = EdgeRows((np.cumsum(lengths) - lengths)[order], lengths[order], order.astype(np.int32))

    def call():
        count = np.zeros(sources * delays, counter)
        edges.count_edges(pre, delay, delays, count)
        cursor = np.cumsum(count, dtype=counter) - count
        target, placed = np.full(n, -1, np.int32), np.zeros(len(weight), dtype)
        edges.place_edges(rows, pre, delay, delays, weight, cursor, target, placed)
        return count, cursor, target, placed

    native, reference = both(monkeypatch, call)
    for a, b in zip(native, reference, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
    count, cursor, target, _ = native
    np.testing.assert_array_equal(cursor, np.cumsum(count))
    assert sorted(target) == sorted(np.repeat(rows.target, rows.length))


def test_the_native_module_refuses_what_does_not_fit(module):
    few, many, out = np.zeros(2, np.int32), np.zeros(3, np.int32), np.zeros(4, np.int32)
    with pytest.raises(ValueError, match="one delay an edge"):
        module.count_edges(few, many, 2, out)
    with pytest.raises(ValueError, match="one cell for each source and delay"):
        module.count_edges(few, few, 3, out)
    with pytest.raises(ValueError, match="degrees that cannot be met"):
        module.draw_rows(1, 2, np.array([5]), 0, 3, 0, False, False, np.zeros(5, np.int32))
    with pytest.raises(ValueError, match="no pair is allowed"):
        module.draw_degrees(1, 2, 5, 1, 0, True, np.zeros(1, np.int64))
    with pytest.raises(TypeError):  # a copy would be filled, and lost
        module.count_edges(few, few, 2, out.astype(np.int16))
