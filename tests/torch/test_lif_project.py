"""The LIF project at three of its commits, against what it computed, its random draws replayed.

Its potentials agree to rounding (measured: 4e-16). What it does wrong is replayed by its own
rule, written out here, and asserted to be otherwise in ours:

- the threshold decays to 1 whatever threshold was given, not in a step with a spike, and one
  step after the potential that it is compared with;
- it is clipped even where it does not adapt;
- a single neuron is not reset by a stochastic spike;
- membrane noise is divided by the threshold, and only there when firing is stochastic;
- without a neuromodulator a constant input of 1 is added;
- the activity that makes a spike probability less steep is averaged over the batch, so a
  sample's spikes depend on what else is in it;
- a factor of the synaptic efficiency is rounded to single precision in a run in double.
"""

import contextlib
import warnings

import pytest
import torch

import ranvier.torch as rt

DOUBLE = torch.float64
TOLERANCE = 1e-12
DEFAULTS = {"threshold": 1.0, "reset": 0.0, "tau": 20.0, "dt": 1.0, "eta": 0.1, "low": 0.5, "high": 2.0}
P2 = {"threshold": 0.8, "reset": -0.2, "tau": 10.0, "dt": 0.5, "eta": 0.05, "low": 0.6, "high": 1.5}
SINGLE_09 = 1 - 0.1 * torch.tensor(1.0)  # its 1 − 0.1·spike, in single precision


def neuron(p, **others):
    return rt.LIF(tau=p["tau"], dt=p["dt"], threshold=p["threshold"], reset=p["reset"], euler=True, **others)


def published_threshold(threshold, spikes, p):
    """Up by eta at a spike, else towards the constant 1; then clipped."""
    moved = torch.where(spikes > 0, threshold + p["eta"], threshold - p["eta"] * (threshold - 1.0))
    return moved.clamp(p["low"], p["high"])


def replay(layer, of, p, adapt, noise=None, uniform=None, slope=1.0):
    """The neuron step by step, its threshold moved between steps by the published rule."""
    state = layer.initial_state(of[0])
    state = state._replace(threshold=torch.full_like(of[0], p["threshold"]))
    kept = []
    for t in range(len(of)):
        before = state.threshold
        drawn = {} if uniform is None else {"noise": 0.1 * noise[t] / before, "uniform": uniform[t], "slope": slope}
        spikes, state = rt.lif_step(of[t], state, **{**layer.coefficients(DOUBLE), **drawn})
        state = state._replace(threshold=published_threshold(before, spikes, p) if adapt else before)
        kept.append((spikes, state.v, state.threshold))
    return [torch.stack(values) for values in zip(*kept, strict=True)]


def assert_agrees(theirs, name, spikes, v, threshold=None):
    assert torch.equal(spikes.bool(), theirs[f"{name}_S"])
    assert spikes.sum() > 100
    torch.testing.assert_close(v, theirs[f"{name}_V"], rtol=0, atol=TOLERANCE)
    if threshold is not None:
        torch.testing.assert_close(threshold, theirs[f"{name}_Vth"], rtol=0, atol=TOLERANCE)


def test_fixed_threshold_as_group_as_layer_and_as_single_neurons(published):
    theirs = published("4c41b7b")
    layer = neuron(DEFAULTS)
    spikes, states = rt.trace(layer, theirs["I"])
    assert_agrees(theirs, "group_det_fixed", spikes, states.v)
    whole, last = layer(theirs["I"])
    assert torch.equal(whole, spikes) and torch.equal(last.v, states.v[-1])
    for name in ("neuron_det_fixed", "npLIFLayer"):
        assert_agrees(theirs, name, *[x[:, 0] for x in (spikes, states.v)])
    for i in range(6):  # one neuron alone: no batch, no size
        alone, last = layer(theirs["I"][:, 0, i])
        assert torch.equal(alone, spikes[:, 0, i]) and torch.equal(last.v, states.v[-1, 0, i])
    assert torch.equal(whole.bool(), published("e9b347a")["layer_det_fixed_S"])


@pytest.mark.parametrize(("name", "p"), [("group_det_adapt", DEFAULTS), ("group_det_p2", P2)])
def test_adaptive_threshold_by_its_rule(published, name, p):
    theirs = published("4c41b7b")
    assert_agrees(theirs, name, *replay(neuron(p), theirs["I"], p, adapt=True))


def test_single_precision(published):
    theirs = published("4c41b7b")
    layer, state, kept = neuron(DEFAULTS), None, []
    threshold = torch.ones(2, 6)
    for x in theirs["I"].float():
        state = (layer.initial_state(x) if state is None else state)._replace(threshold=threshold)
        spikes, state = rt.lif_step(x, state, **layer.coefficients(torch.float32))
        threshold = published_threshold(threshold, spikes, DEFAULTS)
        kept.append(spikes)
    assert torch.equal(torch.stack(kept).bool(), theirs["group_det_adapt_f32_S"])


def test_stochastic_firing_with_its_draws(published):
    theirs = published("4c41b7b")
    layer = neuron(DEFAULTS, firing=rt.SigmoidFiring(1.0))
    ours = replay(layer, theirs["I"], DEFAULTS, adapt=True, noise=theirs["Z"], uniform=theirs["U"])
    assert_agrees(theirs, "group_stoch", *ours)
    assert torch.equal(ours[0].bool(), published("e9b347a")["layer_stoch_S"])


def test_autoregressive_bernoulli_with_its_draws(published):
    theirs = published("4c41b7b")
    layer = rt.AutoregressiveBernoulli(tau=20.0, feedback=0.5, euler=True)
    state, kept = layer.initial_state(theirs["I"][0, 0]), []
    for t in range(200):
        spikes, state = layer.step(theirs["I"][t, 0], state, uniform=theirs["U"][t, 0])
        kept.append((spikes, state.v))
    assert_agrees(theirs, "abss", *[torch.stack(values) for values in zip(*kept, strict=True)])


def feedback(published, name, adapt=True, modulation=None, drawn=False, slope=None):
    """The neuron with adaptation current and synaptic efficiency, its constants written as theirs."""
    theirs, inputs = published("b7263f3"), published("4c41b7b")
    firing = rt.SigmoidFiring(1.0) if drawn else None
    layer = rt.WithFeedback(
        neuron(DEFAULTS, firing=firing),
        rt.SynapticEfficiency(use=1 - SINGLE_09.item(), tau=20.0, euler=True),
        rt.Neuromodulation(transform=None if modulation is None else torch.sigmoid),
        rt.AdaptationCurrent(tau=10.0, jump=0.5, euler=True),
    )
    signal = torch.ones_like(inputs["I"]) if modulation is None else modulation
    state = layer.initial_state(inputs["I"][0])
    state = state._replace(neuron=state.neuron._replace(threshold=torch.ones(2, 6, dtype=DOUBLE)))
    kept, activity = [], 0.0
    for t in range(200):
        before = state.neuron.threshold
        changes = {"noise": 0.1 * inputs["Z"][t] / before, "uniform": inputs["U"][t]} if drawn else {}
        if slope is not None:
            changes["slope"] = slope / (1 + activity)
        spikes, state = layer.step(inputs["I"][t], state, signal[t], **changes)
        activity = activity * torch.exp(torch.tensor(-1 / 20.0, dtype=DOUBLE)) + spikes.mean()  # over the whole batch
        threshold = published_threshold(before, spikes, DEFAULTS) if adapt else before
        state = state._replace(neuron=state.neuron._replace(threshold=threshold))
        kept.append((spikes, state.neuron.v, threshold, state.mechanisms[2], state.mechanisms[0]))
    spikes, v, threshold, adaptation, efficiency = (torch.stack(values) for values in zip(*kept, strict=True))
    assert_agrees(theirs, name, spikes, v, threshold)
    torch.testing.assert_close(adaptation, theirs[f"{name}_adapt"], rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(efficiency, theirs[f"{name}_eff"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("group_det_adapt", {}),
        ("group_det_fixed", {"adapt": False}),
        ("group_stoch", {"drawn": True}),
        ("group_stoch_dyn", {"drawn": True, "slope": 2.0}),
    ],
)
def test_adaptation_current_efficiency_and_the_constant_drive_it_adds(published, name, options):
    feedback(published, name, **options)


def test_neuromodulation(published):
    feedback(published, "group_det_mod", modulation=published("b7263f3")["mod"])


def test_without_a_signal_ours_adds_nothing(published):
    of = published("4c41b7b")["I"]
    plain, modulated = rt.LIF(), rt.WithFeedback(rt.LIF(), rt.Neuromodulation())
    assert torch.equal(plain(of)[0], modulated(of)[0])


def test_ours_decays_to_the_given_threshold():
    layer = rt.AdaptiveLIF(threshold=3.0, threshold_jump=0.5, threshold_tau=10.0)
    x = torch.zeros(200, 1)
    x[0] = 100.0
    _, states = rt.trace(layer, x)
    assert states.threshold[0].item() == 3.5
    assert states.threshold[10].item() == pytest.approx(3.0 + 0.5 * torch.tensor(-1.0).exp().item(), rel=1e-6)
    assert states.threshold[-1].item() == pytest.approx(3.0, abs=5e-6)  # single precision


def test_the_threshold_stays_within_its_bounds():
    layer = rt.AdaptiveLIF(threshold=1.0, threshold_jump=0.5, threshold_tau=1e4, threshold_min=0.5, threshold_max=1.75)
    _, states = rt.trace(layer, torch.full((100, 1), 10.0))
    assert states.threshold.max().item() == 1.75
    sinking = rt.AdaptiveLIF(threshold=1.0, threshold_jump=-0.2, threshold_tau=1e4, threshold_min=0.5)
    _, states = rt.trace(sinking, torch.full((100, 1), 10.0))
    assert states.threshold.min().item() == 0.5


def test_ours_resets_on_a_stochastic_spike_too():
    layer = rt.LIF(firing=rt.SigmoidFiring(1.0), generator=torch.Generator().manual_seed(0))
    spikes, states = rt.trace(layer, torch.full((100, 20), 3.0))
    assert spikes.sum() > 100
    assert bool((states.v[spikes > 0] == 0).all())


def test_dynamic_slope_of_one_sample_does_not_depend_on_the_others():
    def run(x):
        layer = rt.WithFeedback(rt.LIF(firing=rt.SigmoidFiring(2.0)), rt.DynamicSlope())
        state, kept = layer.initial_state(x[0]), []
        uniform = torch.rand(100, generator=torch.Generator().manual_seed(3))
        for t in range(100):
            spikes, state = layer.step(x[t], state, uniform=uniform[t].expand(x.shape[1:]))
            kept.append(spikes)
        return torch.stack(kept)

    x = torch.full((100, 2, 1), 1.0)
    x[:, 1] = 30.0
    both = run(x)
    assert both[:, 1].sum() > both[:, 0].sum()
    assert torch.equal(both[:, :1], run(x[:, :1]))


def test_noise_has_the_deviation_asked_for_whatever_dt(draws):
    for dt in (0.1, 1.0, 10.0):
        layer = rt.LIF(tau=10.0, dt=dt, threshold=1e9, noise=2.0, generator=draws)
        _, state = layer(torch.zeros(int(100 / dt), 20_000))
        assert state.v.std().item() == pytest.approx(2.0, rel=0.03)  # 20 000 samples: 0.5 % standard error


def test_its_surrogates_up_to_their_scale(published):
    theirs = published("b7263f3")
    x = theirs["sg_x"]
    for a in (0.5, 1.0, 2.0):
        fast = rt.FastSigmoid(slope=a).derivative(x)
        arc = rt.ArcTangent(slope=2 * a / torch.pi).derivative(x) * (torch.pi / a)
        gauss = rt.Gaussian(width=a).derivative(x) * (a * (2 * torch.pi) ** 0.5)
        for name, ours in (("fast_sigmoid", fast), ("arctan", arc), ("gaussian", gauss)):
            torch.testing.assert_close(ours, theirs[f"sg_{name}_a{a}"], rtol=0, atol=TOLERANCE)


def test_the_projects_defaults_under_a_name(published):
    theirs = published("4c41b7b")
    fixed = rt.LIF.from_lif_project(6, use_adaptive_threshold=False, stochastic=False)
    assert type(fixed) is rt.LIF
    assert torch.equal(fixed(theirs["I"])[0].bool(), theirs["group_det_fixed_S"])
    whole = rt.LIF.from_lif_project(6, generator=torch.Generator().manual_seed(0))
    ours = whole(theirs["I"].float())[0].mean()
    assert type(whole) is rt.AdaptiveLIF and ours == pytest.approx(theirs["group_stoch_S"].float().mean().item(), abs=0.03)


@pytest.mark.parametrize(("tau", "dt"), [(20.0, 1.0), (5.0, 0.1), (torch.tensor([2.0, 50.0]), 1.0)])
def test_the_projects_noise_is_that_of_a_step(tau, dt, draws):
    layer = rt.LIF.from_lif_project(2, tau=tau, dt=dt, noise_std=0.3, generator=draws)
    torch.testing.assert_close(layer.draws(torch.zeros(20_000, 2))["noise"].std(0), torch.full((2,), 0.3), rtol=0.02, atol=0)


def test_the_projects_example_fires_and_learns(draws):
    """With `rt.LIF`'s own defaults the same network is silent, and `rt.watch_firing` says so."""
    torch.manual_seed(0)
    x = torch.rand(100, 8, 10)
    for layer, fires in ((rt.LIF(20), False), (rt.LIF.from_lif_project(20, generator=draws), True)):
        net = rt.Sequential(torch.nn.Linear(10, 20), layer)
        context = (
            contextlib.nullcontext() if fires else pytest.warns(rt.FiringWarning, match=r"Layer '1' \(LIF\) has not fired in this batch")
        )
        with context, rt.watch_firing(net):
            spikes, _ = net(x)
        spikes.mean().backward()
        assert bool(spikes.any()) == fires
        assert (net[0].weight.grad.abs().max() > 1e-4) == fires


def test_a_layer_that_fires_in_every_step_is_said_too():
    layer = rt.LIF(3, input="impulse")
    with pytest.warns(rt.FiringWarning, match="LIF has fired in every step"), rt.watch_firing(layer):
        layer(torch.full((5, 2, 3), 2.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(torch.full((5, 2, 3), 2.0))  # outside, nobody watches
