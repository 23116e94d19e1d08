"""Every layer once, for the tests that all of them must pass: name, how to make it, features of its input."""

import torch
from torch import nn

import ranvier.torch as rt

N = 4

LAYERS = {
    "LIF": lambda: rt.LIF(N, tau=5.0, refractory=1.0, learn=("tau", "threshold")),
    "LIF, by subtraction": lambda: rt.LIF(N, tau=5.0, reset_by="subtraction", detach_reset=True),
    "LIF, stochastic with noise": lambda: rt.LIF(
        N, tau=5.0, noise=0.2, firing=rt.SigmoidFiring(5.0, learn=True), generator=torch.Generator().manual_seed(1)
    ),
    "AdaptiveLIF": lambda: rt.AdaptiveLIF(N, tau=5.0, learn=("threshold_tau", "threshold_jump")),
    "CurrentLIF": lambda: rt.CurrentLIF(N, tau=5.0, learn=("tau", "synapse_tau")),
    "Izhikevich": lambda: rt.Izhikevich(N, learn=("a", "b", "c", "d"), surrogate=rt.Gaussian()),
    "AdEx": lambda: rt.AdEx(N, refractory=0.2, learn=("leak", "adaptation"), surrogate=rt.Gaussian()),
    "LeakyReadout": lambda: rt.LeakyReadout(N, tau=5.0, learn=("tau", "leak", "rest")),
    "CurrentReadout": lambda: rt.CurrentReadout(N, tau=5.0, learn=("tau", "leak", "rest", "synapse_tau")),
    "Delay": lambda: rt.Delay(N, delay=torch.tensor([0.0, 1.0, 2.0, 5.0])),
    "Recurrent": lambda: rt.Recurrent(rt.AdaptiveLIF(N, tau=5.0), nn.Linear(N, N)),
    "Delays": lambda: rt.Delays(N, N, max_delay=3.0),
    "ShortTermPlasticity": lambda: rt.ShortTermPlasticity(N, learn=("use", "recovery_tau")),
    "Bernoulli": lambda: rt.Bernoulli(N, learn="slope", generator=torch.Generator().manual_seed(1)),
    "AutoregressiveBernoulli": lambda: rt.AutoregressiveBernoulli(
        N, feedback=1.0, learn=("tau", "feedback"), generator=torch.Generator().manual_seed(1)
    ),
    "WithFeedback": lambda: rt.WithFeedback(
        rt.LIF(N, tau=5.0), rt.SynapticEfficiency(learn="use"), rt.Neuromodulation(), rt.AdaptationCurrent(learn="tau")
    ),
    "Sequential": lambda: rt.Sequential(nn.Linear(N, N), rt.LIF(N, tau=5.0), nn.Dropout(0.0), rt.LeakyReadout(N)),
}
DRAWING = ("LIF, stochastic with noise", "Bernoulli", "AutoregressiveBernoulli")
SCALE = {"Izhikevich": 20.0, "AdEx": 30_000.0}


def made(name, dtype=torch.float32):
    """The layer, the same each time."""
    torch.manual_seed(0)
    return LAYERS[name]().to(dtype)


def an_input(name, steps=12, batch=3, dtype=torch.float32):
    x = torch.rand(steps, batch, N, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return (SCALE.get(name, 6.0) * x).to(dtype)
