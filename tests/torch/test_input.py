"""Bad input gets an error that names the argument, its shape and the expected one."""

import numpy as np
import pytest
import torch
from torch import nn

import ranvier.torch as rt
from ranvier.errors import ParameterError, UnknownNameError, UnsupportedError

X = torch.rand(5, 3, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rt.LIF(tau=0.0), r"LIF.tau is 0, but it must be above 0"),
        (lambda: rt.LIF(tau=-1.0), r"LIF.tau is -1, but it must be above 0"),
        (lambda: rt.LIF(4, tau=torch.tensor([1.0, 2.0, -3.0, 4.0])), r"LIF.tau is -3 at \(2,\) \(its shape is \[4\]\)"),
        (lambda: rt.LIF(tau=float("nan")), r"LIF.tau is nan"),
        (lambda: rt.LIF(tau="20"), r"LIF.tau must be a number or a tensor, not '20'"),
        (lambda: rt.LIF(threshold=0.0), r"LIF.threshold \(0\) must be above reset \(0\)"),
        (lambda: rt.LIF(threshold=1.0, reset=2.0), r"LIF.threshold \(1\) must be above reset \(2\)"),
        (lambda: rt.LIF(dt=0.0), r"LIF.dt is 0 ms, but it must be within \[1e-09, 1e\+09\] ms"),
        (lambda: rt.LIF(tau=0.5, euler=True), r"below dt = 1 ms: the Euler form is unstable"),
        (lambda: rt.LIF(refractory=0.25), r"LIF.refractory is 0.25 ms, not a multiple of dt = 1 ms"),
        (lambda: rt.LIF(size=0), r"size must be a positive whole number"),
        (lambda: rt.LIF(surrogate=abs), r"LIF.surrogate is the function abs, but it must be a Surrogate such as rt.FastSigmoid\(\)"),
        (lambda: rt.LIF(firing=5.0), r"LIF.firing is 5.0, but it must be a SigmoidFiring such as rt.SigmoidFiring"),
        (lambda: rt.AdaptiveLIF(threshold_jump="x"), r"AdaptiveLIF.threshold_jump must be a number"),
        (lambda: rt.AdaptiveLIF(threshold_min=2.0, threshold_max=1.0), r"threshold_min is 2, above threshold_max = 1"),
        (lambda: rt.AdaptiveLIF(threshold=3.0, threshold_max=2.0), r"threshold is 3, but it must be within"),
        (lambda: rt.AdaptiveLIF(threshold_min=-1.0), r"threshold_min \(-1\) must be above reset \(0\)"),
        (lambda: rt.CurrentLIF(synapse_tau=0.0), r"CurrentLIF.synapse_tau is 0"),
        (lambda: rt.CurrentLIF(euler=True), r"CurrentLIF takes no euler"),
        (lambda: rt.AdEx(peak=-80.0), r"AdEx.peak \(-80\) must be above reset \(-70.6\)"),
        (lambda: rt.Izhikevich(peak=-70.0), r"Izhikevich.peak \(-70\) must be above c \(-65\)"),
        (lambda: rt.Delays(3, 2, max_delay=0.5), r"Delays.max_delay must be a number of at least dt = 1 ms"),
        (lambda: rt.Delays(3, 2, max_delay=2.0, delay=3.0, learn="weight"), r"Delays.delay is 3, but it must be at least 0 and at most 2"),
        (lambda: rt.Delays(0, 2, max_delay=2.0), r"Delays.inputs is 0, but it must be a whole number of at least 1"),
        (lambda: rt.Sequential(nn.Linear(3, 4), nn.ReLU), r"layer '1' is .*Did you mean ReLU\(\)\?"),
        (
            lambda: rt.Recurrent(nn.Linear(4, 4), nn.Linear(4, 4)),
            r"Recurrent.layer is .*, but it must be a SpikingLayer such as rt.LIF\(50\)",
        ),
        (
            lambda: rt.WithFeedback(rt.LIF(), nn.Linear(4, 4)),
            r"WithFeedback.mechanisms is .*, but it must be a Mechanism such as rt.AdaptationCurrent\(\)",
        ),
        (lambda: rt.WithFeedback(rt.LIF(dt=0.1), rt.AdaptationCurrent()), r"AdaptationCurrent has dt = 1 ms, its neuron 0.1 ms"),
        (lambda: rt.LIF(learn="leak", input="impulse"), r"LIF.learn: an impulse moves the potential whatever the leak"),
        (lambda: rt.LeakyReadout(learn="leak", input="impulse"), r"LeakyReadout.learn: an impulse moves the potential"),
        (lambda: rt.LIF(device="nowhere"), r"LIF.device is 'nowhere', which PyTorch cannot use here"),
        (lambda: rt.Izhikevich(dtype=torch.int32), r"Izhikevich.dtype must be torch.float32, .*not torch.int32"),
        (lambda: rt.AdEx(surrogate=None), r"AdEx.surrogate is None, but it must be a Surrogate such as"),
        (lambda: rt.AdEx(dt=50.0), r"AdEx.capacitance / AdEx.leak is 9.36667 ms, below dt = 50 ms: Euler's method is unstable"),
        (lambda: rt.Izhikevich(a=1.5), r"Izhikevich.a is 1.5 / ms: at dt = 1 ms the step of u is unstable"),
        (lambda: rt.AdaptationCurrent(tau=0.5, euler=True), r"AdaptationCurrent.tau is 0.5 ms, below dt = 1 ms: the Euler form"),
        (lambda: rt.LIF(4, tau=torch.ones(3)), r"LIF.tau has the shape \[3\], but its layer's size is \[4\]"),
        (lambda: rt.LIF(leak=float("inf")), r"LIF.leak is inf, but it must be above 0"),
        (lambda: rt.LIF(refractory=1e18), r"LIF.refractory is 1e\+18 ms, more than 2147483647 steps"),
        (lambda: rt.Delay(delay=1.5), r"Delay.delay must be a multiple of dt = 1 ms"),
        (lambda: rt.encode.rate(torch.tensor([255.0]), 10), r"values must be within \[0, 1\], but they reach from 255 to 255"),
        (
            lambda: rt.encode.rate(torch.tensor([1]), 10),
            r"rate: values must be a floating-point tensor, not a tensor of shape .* and torch.int64",
        ),
        (lambda: rt.encode.latency(torch.tensor([0.5]), 0), r"steps is 0, but it must be a whole number of at least 1"),
    ],
)
def test_a_parameter_out_of_range(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            lambda: rt.LIF(4)(X.long()),
            r"LIF: x of shape \[5, 3, 4\] is torch.int64, but currents are floating-point numbers: give x.float\(\)",
        ),
        (lambda: rt.LIF(4)(torch.rand(4)), r"LIF: x has the shape \[4\], but it must be \[T, B, …, 4\]"),
        (lambda: rt.LIF(5)(X), r"LIF: x has the shape \[5, 3, 4\], but it must be \[T, B, …, 5\]"),
        (lambda: rt.LIF(5).cell(X[0]), r"LIF: x has the shape \[3, 4\], but it must be \[B, …, 5\]"),
        (lambda: rt.LIF((3, 1, 1))(X), r"LIF: x has the shape \[5, 3, 4\], but it must be \[T, B, …, 3, any, any\]"),
        (lambda: rt.LIF()(torch.tensor(1.0)), r"LIF: x has the shape \[\], but it must be \[T, B, …\]"),
        (lambda: rt.LIF(4)(X[:0]), r"a sequence must have at least one step"),
        (lambda: rt.LIF(4)(np.zeros((5, 3, 4))), r"LIF: x must be a tensor of shape \[T, B, …, 4\], not ndarray"),
        (lambda: rt.LIF(4)(X, rt.LIF(4)(X[:, :2])[1]), r"LIF: state.v has the shape \[2, 4\], but for this input it must be \[3, 4\]"),
        (lambda: rt.LIF(4)(X, rt.LIF(4)(X.to("meta"))[1]), r"LIF: state.v is on meta, but x is on cpu"),
        (lambda: rt.LIF(4)(X, rt.LIF(4)(X.double())[1]), r"LIF: state.v is torch.float64, but for this input it must be torch.float32"),
        (lambda: rt.AdaptiveLIF(4)(X, rt.LIF(4)(X)[1]), r"AdaptiveLIF: state must be what the layer returned before \(v, threshold\)"),
        (lambda: rt.LIF(4)(X, 0.0), r"LIF: state must be what the layer returned before \(v\), or None for the start; not 'float'"),
        (lambda: rt.Sequential(rt.LIF(4))(X, (None, None)), r"a tuple with one entry for each of the 1 layers"),
        (lambda: rt.Sequential(nn.LSTM(4, 4))(X), r"layer '0' \(LSTM\) returned a tuple"),
        (lambda: rt.Recurrent(rt.LIF(4), nn.Linear(4, 2))(X), r"connection returned the shape \[3, 2\], but x has \[3, 4\]"),
        (lambda: rt.LIF(tau=torch.ones(3))(X), r"LIF: tau has the shape \[3\], which does not broadcast against x of a step, \[3, 4\]"),
        (lambda: rt.LIF(firing=rt.SigmoidFiring(torch.ones(3)))(X), r"SigmoidFiring: slope has the shape \[3\]"),
        (lambda: rt.LIF(4)(X, ["v"]), r"LIF: state must be what the layer returned before"),
        (lambda: rt.LIF(4)(X.to_sparse()), r"LIF: x is .* in the layout torch.sparse_coo: give x.to_dense\(\)"),
        (lambda: rt.Sequential(nn.Linear(3, 2))(X), r"layer '0' \(Linear\) cannot take the shape \[15, 4\]"),
        (lambda: rt.Delays(3, 2, max_delay=2.0)(X), r"Delays: x has the shape \[5, 3, 4\], but it must be \[T, B, …, 3\]"),
        (lambda: rt.WithFeedback(rt.LIF(4))(X, modulation=X), r"no rt.Neuromodulation\(\) among the mechanisms takes it"),
        (
            lambda: rt.WithFeedback(rt.LIF(4), rt.Neuromodulation())(X, modulation=X[:2]),
            r"modulation must be a tensor in the shape of x, \[5, 3, 4\]; not \[2, 3, 4\]",
        ),
        (lambda: next(rt.truncated(rt.LIF(), X, every=0)), r"every is 0, but it must be a whole number of at least 1"),
    ],
)
def test_an_input_or_a_state_that_does_not_fit(run, message):
    with pytest.raises(ParameterError, match=message):
        run()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rt.LIF(learn="thresold"), r"Unknown learnable parameter of LIF in LIF.learn 'thresold'. Did you mean 'threshold'"),
        (lambda: rt.LIF(reset_by="substraction"), r"Did you mean 'subtraction'"),
        (lambda: rt.LIF(backend="fuse"), r"Did you mean 'fused'"),
        (lambda: rt.Neuromodulation("gian"), r"Did you mean 'gain'"),
    ],
)
def test_an_unknown_word(make, message):
    with pytest.raises(UnknownNameError, match=message):
        make()


def test_a_slope_where_nothing_is_stochastic():
    for mechanism, options in ((rt.DynamicSlope(), {}), (rt.Neuromodulation("slope"), {"modulation": X})):
        with pytest.raises(UnsupportedError, match="spike probability"):
            rt.WithFeedback(rt.LIF(4), mechanism)(X, **options)


@pytest.mark.parametrize("backend", ["auto", "reference"])
@pytest.mark.parametrize("reset_by", ["value", "subtraction"])
def test_an_infinite_input_is_a_spike_and_nan_stays_nan(backend, reset_by):
    inf, nan = float("inf"), float("nan")
    x = torch.tensor([[0.5, inf, -inf, nan], [0.5, 0.5, inf, 0.5]], requires_grad=True)
    spikes, state = rt.LIF(backend=backend, reset_by=reset_by, learn=("tau", "threshold"))(x)
    assert torch.equal(spikes[:, :2], torch.tensor([[0.0, 1.0], [0.0, float(reset_by == "subtraction")]]))
    assert spikes[:, 2].tolist() == [0.0, 0.0 if reset_by == "subtraction" else 1.0] or spikes[0, 2] == 0
    assert spikes[:, 3].isnan().all() and state.v[3].isnan()
    assert torch.isfinite(state.v[:3]).all()
    (spikes[:, :3].sum() + state.v[:3].sum()).backward()
    assert torch.isfinite(x.grad[:, :3]).all() and (x.grad[:, 1:3] == 0).any()


@pytest.mark.parametrize("layer", [rt.AdaptiveLIF, rt.CurrentLIF, rt.Izhikevich, rt.AdEx, rt.Bernoulli, rt.AutoregressiveBernoulli])
def test_nan_is_not_silence(layer):
    x = torch.full((3, 2), 0.1)
    x[1, 0] = float("nan")
    spikes, _ = layer()(x)
    assert spikes[1, 0].isnan() and torch.isfinite(spikes[:, 1]).all()


@pytest.mark.parametrize("scheme", ["published", "euler"])
@pytest.mark.parametrize(("x", "rests_at"), [(-500.0, -172.25), (-50_000.0, -1178.08)])
def test_strong_inhibition_makes_no_spikes(scheme, x, rests_at):
    """The potential falls to where 0.04 v² + 4.8 v + 140 + x = 0, the lower root, as the equation does."""
    spikes, state = rt.Izhikevich(scheme=scheme)(torch.full((1000, 1), x))
    assert spikes.sum() == 0
    assert state.v.item() == pytest.approx(rests_at, rel=1e-4)
