"""The builder, against a plain sort of all edges at once."""

import dataclasses
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ranvier as rv
from ranvier.connect import Capacity, ConnectionRule, Edges, Part, Rows, assemble, capacity_for, part, work
from ranvier.connect.capacity import CapacityExceeded
from ranvier.kernels.deliver_events import sort_edges
from ranvier.kernels.edges import Tiles
from ranvier.random import Key

builder = importlib.import_module("ranvier.connect.assemble")  # whose name the function has too
both_paths = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Ring(ConnectionRule):
    """A user's rule, in NumPy alone: each target from the neuron before it, with a weight and a delay of its own."""

    def edges(self, sources, targets, block, own, key):
        post = np.arange(block.start, block.stop, dtype=np.int32)
        return Edges((post % sources).astype(np.int32), post, 1.0 + post, 0.1 * post)


RULES = (
    rv.connect.all_to_all(),
    rv.connect.all_to_all(autapses=False),
    rv.connect.pairwise_bernoulli(0.3),
    rv.connect.pairwise_bernoulli(0.8, autapses=False),
    rv.connect.fixed_in_degree(5),
    Ring(),
)
WEIGHTS = (
    2.0,
    rv.normal(3.0, 1.0, low=0.0),
    rv.uniform(1.0, 2.0),
    rv.lognormal(1.0, 0.3),
    "edge",
    "column",
    "row",
    "matrix",
    lambda pre, post: 1.0 + pre + 10 * post,
)
DELAYS = (0.0, 1.5, rv.normal(1.0, 0.6, low=0.1), rv.uniform(0.0, 0.5), "edge", "matrix", lambda pre, post: 0.1 * abs(post - pre))


@st.composite
def sets(draw):
    """Parts between 2 to 9 sources and up to 12 targets, the numbers of both."""
    sources, sizes = draw(st.integers(2, 9)), draw(st.lists(st.integers(0, 6), min_size=1, max_size=2))
    places = np.concatenate([[0], np.cumsum(sizes)])
    parts = []
    for i in range(draw(st.integers(0, 3))):
        first = draw(st.integers(0, sources - 1))
        its = tuple((sizes[t], int(places[t])) for t in draw(st.permutations(range(len(sizes))))[: draw(st.integers(1, 2))])
        n, key = sources - first, Key(draw(st.integers(0, 2**63)))
        made = Part(f"p{i}", draw(st.sampled_from(RULES)), n, first, its, key, own=draw(st.sampled_from([None, 0])))
        edges = made.rule.edges(n, made.size, range(made.size), made.own, key.child("edges"))
        numbers = np.random.default_rng(0).random
        shapes = {"edge": len(edges), "column": (made.size, 1), "row": (1, n), "matrix": (made.size, n)}
        weight, delay = draw(st.sampled_from(WEIGHTS)), draw(st.sampled_from(DELAYS))
        weight = numbers(shapes[weight]) if isinstance(weight, str) else weight
        delay = np.round(numbers(shapes[delay]), 1) if isinstance(delay, str) else delay
        parts.append(dataclasses.replace(made, weight=weight, delay=delay))
    return parts, sources, int(places[-1])


def plainly(parts, sources, targets, blocks):
    """The same from all edges at once, parts in their order: the edges, and their weights."""
    columns = [[np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0, np.int64)]]
    for p in parts:
        drawn = part.draw(p)
        edges = drawn.edges(range(p.size))
        places = np.concatenate([onto + np.arange(size) for size, onto in p.targets])
        own = (edges.pre + p.pre_offset, places[edges.post], drawn.weights(edges), drawn.steps(edges))
        for column, values in zip(columns, own, strict=True):
            column.append(values)
    pre, post, weight, delay = map(np.concatenate, columns)
    edges, order = sort_edges(pre, post, delay, sources, targets, blocks)
    return edges, weight[order]


def check(built, parts, sources, targets, blocks, dtype):
    edges, weight = plainly(parts, sources, targets, blocks)
    for name, wanted in edges._asdict().items():
        np.testing.assert_array_equal(getattr(built, name), wanted, err_msg=name, strict=True)
    assert built.weight.dtype == dtype
    np.testing.assert_array_equal(np.broadcast_to(built.weight, built.target.shape), weight.astype(dtype))


@both_paths
@given(
    sets(),
    st.sampled_from(["float32", "float64"]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([1, 7, 2**18]),
    st.sampled_from([1, 10, 2**16]),
)
def test_it_is_a_sort(path, monkeypatch, network, dtype, blocks, threads, chunk, tile):
    """For any parts, blocks, threads, chunks and tiles, native and reference."""
    monkeypatch.setattr(builder, "CHUNK", chunk)
    monkeypatch.setattr(builder, "TILE", tile)
    parts, sources, targets = network
    check(assemble(parts, sources, targets, dtype, blocks=blocks, threads=threads), parts, sources, targets, blocks, dtype)


def big(**changes):
    spread = rv.normal(1.5, 0.75, low=0.1)
    return Part("big", rv.connect.pairwise_bernoulli(0.1), 300, 0, ((200, 0), (100, 200)), Key(3), 0, spread, spread, **changes)


def test_threads_and_blocks_do_not_matter(monkeypatch):
    monkeypatch.setattr(builder, "CHUNK", 1000)
    one = assemble([big()], 300, 300, "float32", threads=1)
    for threads in (2, 5):
        for a, b in zip(one, assemble([big()], 300, 300, "float32", threads=threads), strict=True):
            np.testing.assert_array_equal(a, b)
    check(assemble([big()], 300, 300, "float32", blocks=4, threads=2), [big()], 300, 300, 4, "float32")


@pytest.mark.parametrize("word", [np.uint32, np.uint64])
def test_tiles_do_not_matter(path, monkeypatch, word):
    """Nor how much room what is known of an edge takes while edges are sorted."""
    monkeypatch.setattr(builder, "CHUNK", 1000)
    monkeypatch.setattr(Tiles, "word", np.dtype(word))
    for tile, tiles in ((100, 75), (1000, 5), (10_000, 1)):
        monkeypatch.setattr(builder, "TILE", tile)
        assert builder._tiles(9000, 300, 60, np.array([0, 150, 300])).n == tiles
        check(assemble([big()], 300, 300, "float32", blocks=2), [big()], 300, 300, 2, "float32")


def test_tiles_are_smaller_where_a_word_of_32_bits_then_holds_an_edge():
    assert builder._tiles(10**9, 10**6, 64, np.array([0, 500_000, 10**6])) == Tiles(10**6, 64, 7, 19)
    assert builder._tiles(10**9, 10**6, 200, np.array([0, 500_000, 10**6])) == Tiles(10**6, 200, 7, 19)  # there would be too many
    assert builder._tiles(10**8, 10**5, 500, np.array([0, 50_000, 10**5])) == Tiles(10**5, 500, 7, 16)
    assert builder._tiles(10**8, 10**5, 1000, np.array([0, 50_000, 10**5])) == Tiles(10**5, 1000, 6, 16)
    assert builder._tiles(1000, 1000, 10**6, np.array([0, 1000])) == Tiles(1000, 10**6, 10, 10)


def test_more_edges_than_int32_counts(path, monkeypatch):
    few = assemble([big()], 300, 300, "float32", blocks=2)
    monkeypatch.setattr(builder, "MOST_IN_INT32", 100)
    many = assemble([big()], 300, 300, "float32", blocks=2)
    assert few.segments.dtype == np.int32 and many.segments.dtype == np.int64
    for a, b in zip(few, many, strict=True):
        np.testing.assert_array_equal(a, b)


@both_paths
@given(sets(), st.integers(1, 3), st.integers(1, 3))
def test_room_for_more_changes_no_edge(path, network, blocks, threads):
    parts, sources, targets = network
    given = parts, sources, targets, "float64", None, blocks, threads
    plain, roomy = assemble(*given), assemble(*given, capacity=True)
    n, d = len(plain.target), len(plain.delays)
    room = capacity_for(plain, parts)
    assert capacity_for(roomy, parts) == room and len(roomy.target) == room.edges >= n and len(roomy.delays) == room.delays >= d
    assert plain.delays.max(initial=0) <= room.longest
    np.testing.assert_array_equal(roomy.delays[d:], -1)
    np.testing.assert_array_equal(roomy.segments[..., : d + 1], plain.segments)
    np.testing.assert_array_equal(np.diff(roomy.segments[..., d:], axis=-1), 0)
    np.testing.assert_array_equal(roomy.target[:n], plain.target)
    np.testing.assert_array_equal(roomy.weight[:n] if plain.weight.ndim else roomy.weight, plain.weight)
    assert not roomy.target[n:].any() and roomy.segments.dtype == plain.segments.dtype


def test_edges_in_spare_room_are_never_delivered(path):
    from ranvier.kernels.deliver_events import deliver_events, empty_history, note_spikes

    with jax.enable_x64(True):
        sums = []
        for room in (False, True):
            edges = assemble([big()], 300, 300, "float64", blocks=2, capacity=room)
            edges.target[edges.segments[-1, -1, -1] :] = 7
            out = jnp.zeros(300)
            history = note_spikes(empty_history(300, slots=64), jnp.arange(300) % 3 == 0, 1.0, jnp.int64(0))
            for step in range(64):
                out = deliver_events(history, jnp.int64(step), edges, edges.weight, out)
            by_weight = jax.grad(lambda w, h=history, e=edges: deliver_events(h, jnp.int64(10), e, w, jnp.zeros(300)).sum())(edges.weight)
            sums.append((out, by_weight[: edges.segments[-1, -1, -1]]))
            assert not by_weight[edges.segments[-1, -1, -1] :].any()
    for plain, roomy in zip(*sums, strict=True):
        np.testing.assert_array_equal(plain, roomy)


def test_other_seeds_and_delays_have_arrays_of_the_same_shape():
    one = assemble([big()], 300, 300, "float32", capacity=True)
    room = capacity_for(one, [big()])
    for changes in ({"key": Key(4)}, {"key": Key(5)}, {"delay": 0.3}, {"weight": rv.uniform(0.0, 1.0)}):
        other = assemble([dataclasses.replace(big(), **changes)], 300, 300, "float32", capacity=room, weights=("edge",))
        assert [(x.shape, x.dtype) for x in other[:5]] == [(x.shape, x.dtype) for x in one[:5]]
        assert len(other.delays[other.delays >= 0]) != 0
    for changes, message in (
        ({"rule": rv.connect.pairwise_bernoulli(0.2)}, "edges, and room for"),
        ({"delay": rv.uniform(0.0, 6.4)}, "65 different delays, and room for 64"),
        ({"delay": 100.0}, "1000 steps of the longest delay, and room for 64"),
    ):
        with pytest.raises(CapacityExceeded, match=message):
            assemble([dataclasses.replace(big(), **changes)], 300, 300, "float32", capacity=room)


def test_how_much_room_there_is():
    def room(rule, targets=((1000, 0),)):
        parts = [Part("it", rule, 1000, 0, targets, Key(1))]
        return capacity_for(assemble(parts, 1000, 1000, "float32"), parts).edges

    assert room(rv.connect.fixed_in_degree(100)) == room(rv.connect.fixed_total_number(100_000)) == 100_000
    assert room(rv.connect.fixed_in_degree(100), ((500, 0), (500, None))) == 50_000
    assert room(rv.connect.fixed_total_number(100_000), ((500, 0), (500, None))) > 50_000  # half of them, more or less
    assert 500_000 + 6 * 700 < room(rv.connect.pairwise_bernoulli(0.5)) < 1.02 * 500_000 + 6 * 710
    assert Capacity(1, 2, 4) == Capacity(1, 2, 4) and len({Capacity(1, 2, 4), Capacity(1, 2, 4)}) == 1


@both_paths
@given(sets(), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 7, 2**18]), st.booleans())
def test_the_order_puts_weights_by_target_and_source_where_they_are_delivered(path, monkeypatch, network, blocks, threads, chunk, many):
    monkeypatch.setattr(builder, "CHUNK", chunk)
    monkeypatch.setattr(builder, "MOST_IN_INT32", 1 if many else 2**31 - 1)
    parts, sources, targets = network
    parts += [dataclasses.replace(p, targets=((p.targets[0][0], None), *p.targets[1:])) for p in parts if len(p.targets) > 1]
    built = assemble(parts, sources, targets, "float64", blocks=blocks, threads=threads, order=True, weights=("edge",), capacity=True)
    drawn = [part.draw(p) for p in parts]
    weights = np.concatenate([np.zeros(0), *(d.weights(d.edges(range(d.part.size))) for d in drawn)])
    end = built.segments[-1, -1, -1] if built.segments.size else 0
    assert built.order.dtype == (np.int64 if many and len(weights) > 1 else np.int32) and not built.order[end:].any()
    np.testing.assert_array_equal(weights[built.order[:end]], built.weight[:end])
    assert len(set(built.order[:end].tolist())) == end


def test_order_does_not_depend_on_blocks_or_threads():
    """What is gathered by it, and scattered back, is the same on any number of cores."""
    weights = np.random.default_rng(0).random(len(part.draw(big())))
    found = []
    for blocks, threads in ((1, 1), (2, 2), (4, 4), (3, 1)):
        built = assemble([big()], 300, 300, "float32", blocks=blocks, threads=threads, order=True)
        back = np.zeros(len(weights))
        back[built.order] = weights[built.order]
        np.testing.assert_array_equal(back, weights)
        found.append(built.target[np.argsort(built.order)])
        np.testing.assert_array_equal(found[0], found[-1])


def test_one_weight_takes_no_memory():
    for weight in (2.0, np.float32(2.0)):
        built = assemble([big(), dataclasses.replace(big(), weight=weight)][1:], 300, 300, "float32")
        assert built.weight.shape == () and built.weight == 2 and built.weight.dtype == np.float32
    with pytest.raises(CapacityExceeded, match="a weight an edge, and room for one in all"):
        assemble([big()], 300, 300, "float32", weights=("one",))
    apart = assemble([dataclasses.replace(big(), weight=2.0)], 300, 300, "float32", weights=("edge",))
    assert apart.weight.shape == apart.target.shape and set(apart.weight.tolist()) == {2.0}
    two = [dataclasses.replace(big(), weight=w) for w in (2.0, 3.0)]
    assert set(assemble(two, 300, 300, "float64").weight.tolist()) == {2.0, 3.0}


def test_one_weight_a_source_takes_no_memory_an_edge():
    halves = [dataclasses.replace(big(), sources=150, pre_offset=first, weight=w, key=Key(first)) for first, w in ((0, 2.0), (150, 3.0))]
    of_source = assemble(halves, 300, 300, "float32", blocks=2)
    assert of_source.weight.tolist() == [[2.0]] * 150 + [[3.0]] * 150
    each = assemble(halves, 300, 300, "float32", blocks=2, weights=("edge",))
    pre = np.concatenate([np.repeat(np.arange(300), np.diff(block[:, [0, -1]], axis=1)[:, 0]) for block in each.segments])
    np.testing.assert_array_equal(of_source.weight[pre, 0], each.weight)
    np.testing.assert_array_equal(of_source.target, each.target)
    with pytest.raises(CapacityExceeded, match="a weight an edge, and room for one a source"):
        assemble([dataclasses.replace(big(), weight=rv.uniform(0.0, 1.0))], 300, 300, "float32", weights=("source",))
    shifted = dataclasses.replace(halves[1], pre_offset=149)
    assert assemble([halves[0], shifted], 300, 300, "float32").weight.ndim == 1  # one source is in both


def test_drawn_delays_are_not_below_their_low_end():
    spread = dataclasses.replace(big(), delay=rv.normal(0.2, 0.5, low=0.12), dt=0.1)
    assert assemble([spread], 300, 300, "float32").delays[0] == 2  # 0.1 ms would be nearer, but is too early


def test_nothing_at_all():
    for parts in ([], [Part("none", rv.connect.all_to_all(), 0, 0, ((0, 0),), Key(1))]):
        built = assemble(parts, 0, 0, "float32", blocks=2)
        assert len(built.delays) == len(built.target) == 0 and built.segments.shape == (2, 0, 1) and built.bounds.tolist() == [0, 0, 0]
    no_edges = Part("none", rv.connect.pairwise_bernoulli(0.0), 3, 0, ((4, 0),), Key(1), weight=rv.normal(0, 1), delay=rv.uniform(0, 1))
    built = assemble([no_edges], 3, 4, "float64")
    assert built.segments.shape == (1, 3, 1) and not built.segments.any() and built.weight.shape == (0,)


@dataclasses.dataclass(frozen=True)
class Endless(ConnectionRule):
    """As many edges as asked for, none of which is ever drawn."""

    per_target: int

    def rows(self, sources, targets, own, key):
        def never(block):
            raise AssertionError("an edge was drawn")

        return Rows(np.full(targets, self.per_target), never)


def test_a_network_that_does_not_fit_is_refused_before_it_is_drawn():
    with pytest.raises(rv.ParameterError, match=r"1e\+12 edges, would take .* GiB"):
        assemble([Part("huge", Endless(10**9), 5, 0, ((1000, 0),), Key(1))], 5, 1000, "float32")
    with pytest.raises(rv.ParameterError, match=r"20 different delays, would take .* GiB"):
        assemble([Part("long", Endless(1), 2 * 10**9, 0, ((20, 0),), Key(1), delay=np.arange(20.0))], 2 * 10**9, 20, "float32")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": np.ones(3)}, r"weight of big has the shape \(3,\).*one an edge"),
        ({"weight": -1.0, "conductance": True}, "weight of big is -1 for edge 0, but a conductance cannot be negative"),
        (
            {"weight": rv.normal(0.0, 1.0), "conductance": True},
            "weight of big is -.* for edge .* \\(from .* to .*\\), but a conductance cannot be negative",
        ),
        ({"weight": np.inf}, "weight of big is not finite for edge 0"),
        ({"delay": -0.5}, "delay of big must be finite and not negative; it is -0.5 ms"),
        ({"delay": rv.normal(0.0, 1.0)}, r"delay of big must be finite and not negative.*rv.normal\(mean, sd, low=0.1\)"),
        ({"delay": np.nan}, "delay of big must be finite"),
        ({"delay": np.ones(7)}, r"delay of big has the shape \(7,\)"),
        ({"delay": 1e9}, "steps is too long"),
        ({"pre_offset": 1}, "outside the 300 sources"),
        ({"targets": ((200, 0), (100, 201))}, "outside the 300 sources and 300 targets"),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_bad_input(changes, message, threads, monkeypatch):
    monkeypatch.setattr(builder, "CHUNK", 1000)
    with pytest.raises(rv.ParameterError, match=message):
        assemble([dataclasses.replace(big(), **changes)], 300, 300, "float32", threads=threads)


def test_a_delay_that_is_no_multiple_says_so():
    with pytest.warns(UserWarning, match=r"delay of big of 1.23 ms is not a multiple of dt = 0.1"):
        assemble([dataclasses.replace(big(), delay=1.23)], 300, 300, "float32")


@pytest.mark.parametrize("threads", [1, 2])
def test_progress(threads, monkeypatch):
    """It rises, ends at all of the work, and comes in the caller's thread; what it raises stops the building."""
    monkeypatch.setattr(builder, "CHUNK", 1000)
    monkeypatch.setattr(work, "REPORT_EVERY", 0.001)
    told = []
    assemble([big()], 300, 300, "float32", progress=lambda done, total: told.append((done, total)), threads=threads)
    edges = len(assemble([big()], 300, 300, "float32").target)
    assert told == sorted(told) and told[-1] == (3 * edges, 3 * edges)

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assemble([big()], 300, 300, "float32", progress=interrupt, threads=threads)
