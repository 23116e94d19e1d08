"""The fused sequence is the reference: the same bits forward, the same gradients to rounding."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ranvier.torch as rt
from ranvier.errors import UnsupportedError
from ranvier.torch import fused

SURROGATES = [
    rt.FastSigmoid(),
    rt.ArcTangent(3.0),
    rt.Triangle(0.4, 0.7),
    rt.Gaussian(0.3),
    rt.StraightThrough(),
    rt.MultiGaussian(),
]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}  # sums over time and batch are in another order

ZERO = torch.zeros(2, 3)
REASON = fused.unsupported(ZERO, rt.LIFState(ZERO[0]), decay=0.9, gain=1.0)
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


def problem(steps, shape, dtype, seed, *, adaptive=False, refractory=0, columns=(), constant=False):
    """Input, state and parameters, all of them leaves that require a gradient."""
    rng = torch.Generator().manual_seed(seed)
    draw = lambda *size: torch.randn(size, generator=rng, dtype=dtype)
    leaf = lambda value: (value + 0.05 * draw(*columns)).requires_grad_()
    x = draw(1, *shape).expand(steps, *shape) if constant else draw(steps, *shape)
    left = torch.randint(0, 2, shape, generator=rng, dtype=torch.int32) if refractory else None
    state = rt.LIFState(draw(*shape).requires_grad_(), left, (0.8 + 0.1 * draw(*shape)).requires_grad_() if adaptive else None)
    values = {"decay": 0.9, "gain": 0.7, "rest": 0.1, "threshold": 0.8, "reset": -0.2, "threshold_decay": 0.8, "threshold_jump": 0.3}
    return x.clone().requires_grad_() if not constant else x.requires_grad_(), state, {k: leaf(v) for k, v in values.items()}


def results(function, x, state, parameters, weights=None, **others):
    """Spikes, last state, and gradients of a loss that weighs every spike and the last state differently."""
    spikes, last = function(x, state, **parameters, **others)
    weights = torch.linspace(-1, 2, spikes.numel(), dtype=x.dtype, device=x.device).cos().view_as(spikes) if weights is None else weights
    loss = (spikes * weights).sum() + (last.v**2).sum() + (0 if last.threshold is None else (3 * last.threshold).sum())
    leaves = [x, state.v, state.threshold, *parameters.values(), others.get("noise")]
    leaves = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    return spikes, last, torch.autograd.grad(loss, leaves, allow_unused=True)


def assert_equal(got, wanted, dtype):
    assert torch.equal(got[0], wanted[0])
    for ours, theirs in zip(got[1], wanted[1], strict=True):
        assert (ours is None and theirs is None) or torch.equal(ours, theirs)
    largest = max(theirs.abs().max() for theirs in wanted[2] if theirs is not None)  # a sum can cancel, its rounding stays
    for ours, theirs in zip(got[2], wanted[2], strict=True):
        if theirs is None:
            assert ours is None or not ours.any()
        else:
            assert (ours - theirs).abs().max() <= TOLERANCE[dtype] * largest


@settings(max_examples=60)
@given(
    steps=st.sampled_from([1, 2, 31, 32, 33, 70]),
    shape=st.sampled_from([(), (1,), (5,), (2, 3), (3, 200), (2, 2, 3, 2)]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    adaptive=st.booleans(),
    refractory=st.sampled_from([0, 1, 3]),
    per_neuron=st.booleans(),
    noisy=st.booleans(),
    subtract=st.booleans(),
    detach=st.booleans(),
    surrogate=st.sampled_from(SURROGATES),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_is_the_reference(steps, shape, dtype, adaptive, refractory, per_neuron, noisy, subtract, detach, surrogate, seed):
    columns = shape[-1:] if per_neuron else ()
    x, state, parameters = problem(steps, shape, dtype, seed, adaptive=adaptive, refractory=refractory, columns=columns)
    others = {
        "refractory": refractory,
        "reset_by_subtraction": subtract,
        "detach_reset": detach,
        "surrogate": surrogate,
        "threshold_min": 0.5,
        "threshold_max": 1.5,
        "noise": (0.1 * torch.randn_like(x)).requires_grad_() if noisy else None,
    }
    got, wanted = (results(f, x, state, parameters, **others) for f in (fused.lif_sequence, rt.lif_sequence))
    assert_equal(got, wanted, dtype)


@settings(max_examples=15)
@given(dtype=st.sampled_from([torch.float32, torch.float64]), refractory=st.sampled_from([0, 2]), seed=st.integers(0, 2**32 - 1))
def test_stochastic_firing_is_the_reference(dtype, refractory, seed):
    x, state, parameters = problem(40, (4, 9), dtype, seed, refractory=refractory, columns=(9,))
    parameters["slope"] = torch.full((9,), 2.0, dtype=dtype, requires_grad=True)
    # The probability may differ in its last place: draws on a coarse grid do not fall between the two.
    uniform = (torch.randint(0, 64, x.shape, generator=torch.Generator().manual_seed(seed)).to(dtype) + 0.377) / 64
    got, wanted = (results(f, x, state, parameters, uniform=uniform, refractory=refractory) for f in (fused.lif_sequence, rt.lif_sequence))
    assert_equal(got, wanted, dtype)


@pytest.mark.parametrize("shape", [(3,), (4, 1, 1), (2, 1), (1, 4, 2, 3)])
def test_parameters_of_a_convolution_and_numbers_mixed_with_tensors(shape):
    x, state, _ = problem(20, (2, 4, 2, 3), torch.float64, 1)
    decay = torch.rand(shape, dtype=torch.float64, requires_grad=True)
    parameters = {"decay": decay, "gain": 1.5, "threshold": 0.7, "reset": torch.tensor(0.1, dtype=torch.float64, requires_grad=True)}
    refractory = torch.tensor([0, 2, 1])
    for subtract in (False, True):
        others = {"refractory": refractory, "reset_by_subtraction": subtract}
        held = state._replace(refractory=torch.zeros(state.v.shape, dtype=torch.int32))
        got, wanted = (results(f, x, held, parameters, **others) for f in (fused.lif_sequence, rt.lif_sequence))
        assert_equal(got, wanted, torch.float64)


def test_inputs_and_gradients_that_are_not_contiguous():
    x, state, parameters = problem(40, (5, 7), torch.float64, 2, columns=(7,), constant=True)
    assert x.stride(0) == 0
    turned = torch.randn(40, 7, 5, dtype=torch.float64).mT.requires_grad_()
    counting = torch.linspace(0, 1, 35, dtype=torch.float64).view(5, 7).expand(40, 5, 7)
    for inputs in (x, turned):
        for weights in (torch.ones((), dtype=torch.float64), counting, torch.randn(40, 7, 5, dtype=torch.float64).mT):
            got, wanted = (results(f, inputs, state, parameters, weights) for f in (fused.lif_sequence, rt.lif_sequence))
            assert_equal(got, wanted, torch.float64)


@pytest.mark.parametrize("columns", [(), (1028,)])
def test_large_results_which_are_written_past_the_caches(columns):
    x, state, parameters = problem(34, (64, 1028), torch.float32, 12)
    parameters["decay"] = (0.9 + 0.05 * torch.rand(columns)).requires_grad_()
    got, wanted = (results(f, x, state, parameters) for f in (fused.lif_sequence, rt.lif_sequence))
    assert_equal(got, wanted, torch.float32)


def test_only_the_last_state_is_used():
    x, state, parameters = problem(40, (6,), torch.float64, 3, adaptive=True)
    for part in ("v", "threshold"):
        got, wanted = (
            torch.autograd.grad(getattr(f(x, state, **parameters)[1], part).sum(), [x, state.v, parameters["decay"]])
            for f in (fused.lif_sequence, rt.lif_sequence)
        )
        for ours, theirs in zip(got, wanted, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("adaptive", [False, True])
def test_gradcheck_where_no_spike_is_about_to_change(subtract, adaptive):
    """Away from the threshold a narrow surrogate is zero, and the gradient is the true one of a piecewise linear function."""
    x, state, parameters = problem(12, (2, 3), torch.float64, 4, adaptive=adaptive, refractory=1, columns=(3,))
    narrow = rt.Triangle(1.0, 1e-9)

    def run(x, v, threshold, *values):
        named = dict(zip(parameters, values, strict=True))
        options = {"refractory": 1, "reset_by_subtraction": subtract, "surrogate": narrow}
        last = fused.lif_sequence(x, state._replace(v=v, threshold=threshold), **named, **options)[1]
        return last.v, *([last.threshold] if adaptive else [])

    assert fused.lif_sequence(x, state, refractory=1, **parameters)[0].sum() > 3
    threshold = state.threshold if adaptive else None
    assert torch.autograd.gradcheck(run, (x, state.v, threshold, *parameters.values()))


@pytest.mark.parametrize("surrogate", SURROGATES, ids=lambda s: type(s).__name__)
def test_surrogates_are_the_slopes_of_their_smooth_functions(surrogate):
    x = torch.linspace(-2, 2, 41, dtype=torch.float64)[None].requires_grad_()
    spikes, _ = fused.lif_sequence(x, rt.LIFState(torch.zeros_like(x[0])), decay=0.5, gain=1.0, threshold=0.03, surrogate=surrogate)
    (got,) = torch.autograd.grad(spikes.sum(), x)
    h, d = 1e-5, x.detach() - 0.03
    torch.testing.assert_close(got, (surrogate.smoothed(d + h) - surrogate.smoothed(d - h)) / (2 * h), rtol=1e-4, atol=1e-6)


def test_the_number_of_threads_changes_nothing():
    x, state, parameters = problem(40, (8, 300), torch.float32, 5, columns=(300,))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(results(fused.lif_sequence, x, state, parameters))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert torch.equal(found[0][0], other[0])
        assert all(torch.equal(a, b) for a, b in zip(found[0][2], other[2], strict=True) if a is not None)


@pytest.mark.parametrize("batched", ["x", "decay", "x and decay", "state"])
def test_vmap_is_a_loop(batched):
    x, state, parameters = problem(20, (3, 4), torch.float64, 6, adaptive=True, refractory=2, columns=(4,))
    xs = torch.stack([x, 2 * x, x + 1], dim=1) if "x" in batched else x
    decays = (
        torch.stack([parameters["decay"], parameters["decay"] * 0.5, parameters["decay"] * 0.2])
        if "decay" in batched
        else parameters["decay"]
    )
    vs = torch.stack([state.v, state.v + 1, state.v - 1], dim=2) if batched == "state" else state.v
    axes = (1 if "x" in batched else None, 0 if "decay" in batched else None, 2 if batched == "state" else None)

    def run(x, decay, v):
        spikes, last = fused.lif_sequence(x, state._replace(v=v), **{**parameters, "decay": decay}, refractory=2)
        return spikes, last.v, last.refractory, last.threshold

    got = torch.vmap(run, in_dims=axes)(xs, decays, vs)
    for b in range(3):
        one = [a if axis is None else a.select(axis, b) for a, axis in zip((xs, decays, vs), axes, strict=True)]
        for ours, theirs in zip(got, run(*one), strict=True):
            assert torch.equal(ours[b], theirs)


def test_vmap_of_neurons_that_share_a_refractory_period():
    layer = rt.LIF(6, refractory=2.0)
    xs = 3 * torch.rand(3, 40, 5, 6, generator=torch.Generator().manual_seed(0))
    together = torch.vmap(lambda x: layer(x)[0])(xs)
    assert together.sum() > 50
    for ours, x in zip(together, xs, strict=True):
        assert torch.equal(ours, layer(x)[0])


def test_gradients_per_example_by_torch_func():
    x, state, parameters = problem(20, (4,), torch.float64, 7, columns=(4,))
    xs = torch.stack([x, 2 * x, x + 1]).detach()
    decay = parameters["decay"].detach()

    def loss(decay, x, function):
        spikes, last = function(x, rt.LIFState(state.v.detach()), decay=decay, gain=1 - decay)
        return spikes.sin().sum() + last.v.sum()

    got, wanted = (
        torch.vmap(torch.func.grad(loss, argnums=(0, 1)), in_dims=(None, 0, None))(decay, xs, f)
        for f in (fused.lif_sequence, rt.lif_sequence)
    )
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
    assert got[0].shape == (3, 4) and got[0].any()


def test_the_operator_passes_pytorchs_own_checks():
    x, state, parameters = problem(20, (3, 4), torch.float64, 8, adaptive=True, refractory=1, columns=(4,))
    captured = []

    class Capture(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if function.namespace == "ranvier":
                captured.append((function, args))
            return function(*args, **(kwargs or {}))

    with Capture():
        results(fused.lif_sequence, x, state, parameters, refractory=1)
    assert [str(function) for function, _ in captured] == ["ranvier.lif_sequence.default", "ranvier.lif_sequence_backward.default"]
    for function, arguments in captured:
        detached = [a.detach() if isinstance(a, torch.Tensor) else a for a in arguments]
        torch.library.opcheck(function, detached, test_utils=("test_schema", "test_faketensor", "test_aot_dispatch_static"))


def test_compiled_whole():
    x, state, parameters = problem(20, (3, 4), torch.float32, 9, adaptive=True, refractory=1, columns=(4,))
    compiled = torch.compile(fused.lif_sequence, fullgraph=True, backend="aot_eager")
    got, wanted = (results(f, x, state, parameters, refractory=1) for f in (compiled, rt.lif_sequence))
    assert_equal(got, wanted, torch.float32)


def test_little_is_saved_for_the_backward_pass():
    x, state, _ = problem(128, (64,), torch.float32, 10)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        fused.lif_sequence(x, state, decay=0.9, gain=1.0)
    beside_the_input = sum(t.nbytes for t in saved if t.data_ptr() != x.data_ptr())
    assert beside_the_input <= x.nbytes / 16
    with torch.no_grad():
        assert all(len(kept) == 0 for kept in torch.ops.ranvier.lif_sequence(*flat(x, state), 0, False)[4:])


def flat(x, state):
    columns = torch.tensor([0.9, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0])[:, None]
    return x, None, None, columns, None, False, False, False, -math.inf, math.inf, 0, [25.0, 0.0, 0.0], 32, state.v, None, None


def test_a_second_derivative_is_refused():
    x, state, parameters = problem(5, (3,), torch.float64, 11)
    (gradient,) = torch.autograd.grad(fused.lif_sequence(x, state, **parameters)[0].sum(), x, create_graph=True)
    with pytest.raises(UnsupportedError, match="no second derivative"):
        gradient.sum().backward()


class MySurrogate(rt.FastSigmoid):
    pass


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"x": torch.zeros(4, 2, 3, dtype=torch.float16)}, "float16"),
        ({"x": torch.zeros(0, 2, 3)}, "empty"),
        ({"x": torch.zeros(4, 2, 3, device="meta")}, "meta"),
        ({"surrogate": MySurrogate()}, "MySurrogate"),
        ({"noise": torch.zeros(4, 2, 3, dtype=torch.float64)}, "noise is torch.float64"),
        ({"decay": torch.zeros(4, 2, 3)}, "decay \\[4, 2, 3\\] does not broadcast"),
        ({"decay": torch.zeros(2)}, "decay \\[2\\] does not broadcast"),
        ({"gain": torch.zeros(3, dtype=torch.float64)}, "gain is torch.float64"),
    ],
)
def test_what_it_cannot_do_is_said(change, reason):
    arguments = {"x": torch.zeros(4, 2, 3), "state": rt.LIFState(torch.zeros(2, 3)), "decay": 0.9, "gain": 1.0, **change}
    x, state = arguments.pop("x"), arguments.pop("state")
    with pytest.raises(UnsupportedError, match=reason):
        fused.lif_sequence(x, state, **arguments)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # inside torch.func.jvp
def test_forward_mode_is_left_to_the_reference():
    x = torch.randn(5, 3, dtype=torch.float64)
    run = lambda x: fused.lif_sequence(x, rt.LIFState(torch.zeros_like(x[0])), decay=0.9, gain=1.0)[0]
    with pytest.raises(UnsupportedError, match="forward-mode"):
        torch.func.jvp(run, (x,), (torch.ones_like(x),))
