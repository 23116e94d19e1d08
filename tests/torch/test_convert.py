"""Other libraries' neurons as ours: the same spikes, by the formulas here and by the libraries where they are installed."""

from types import SimpleNamespace

import pytest
import torch

import ranvier.torch as rt
from ranvier.errors import UnsupportedError

X = torch.rand(200, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def leaky(**changes):
    """What `from_snntorch` looks at."""
    given = {"beta": torch.tensor(0.8), "threshold": torch.tensor(1.2), "reset_mechanism": "subtract", "reset_delay": False}
    return SimpleNamespace(**{**given, "inhibition": False, "state_quant": False, "graded_spikes_factor": torch.tensor(1.0), **changes})


@pytest.mark.parametrize("mechanism", ["subtract", "zero"])
def test_snntorch_by_its_formula(mechanism):
    layer = rt.from_snntorch(leaky(reset_mechanism=mechanism), dt=1.0)
    assert layer.tau.value == pytest.approx(-1 / torch.log(torch.tensor(0.8)).item())
    membrane, kept = torch.zeros(5, dtype=torch.float64), []
    for x in X:
        membrane = torch.tensor(0.8).double() * membrane + x
        spikes = (membrane > torch.tensor(1.2).double()).double()
        membrane = membrane - spikes * (1.2 if mechanism == "subtract" else membrane)
        kept.append(spikes)
    assert torch.stack(kept).sum() > 100
    assert torch.equal(layer(X)[0], torch.stack(kept))


@pytest.mark.parametrize("mechanism", ["subtract", "zero"])
def test_snntorch_itself(mechanism):
    snn = pytest.importorskip("snntorch")
    theirs = snn.Leaky(beta=0.8, threshold=1.2, reset_mechanism=mechanism, reset_delay=False)
    layer, membrane, kept = rt.from_snntorch(theirs, dt=1.0), theirs.init_leaky(), []
    for x in X.float():
        spikes, membrane = theirs(x, membrane)
        kept.append(spikes)
    assert torch.equal(layer(X.float())[0], torch.stack(kept))


def test_what_snntorch_does_otherwise_is_refused():
    for change, name in (
        ({"reset_delay": True}, "reset_delay"),
        ({"reset_mechanism": "none"}, "none"),
        ({"inhibition": True}, "inhibition"),
    ):
        with pytest.raises(UnsupportedError, match=name):
            rt.from_snntorch(leaky(**change), dt=1.0)


def norse_parameters():
    values = {"tau_mem_inv": 100.0, "tau_syn_inv": 200.0, "v_leak": 0.1, "v_th": 0.8, "v_reset": -0.1}
    return SimpleNamespace(**{name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()})


def test_norse_by_its_formula():
    p, dt = norse_parameters(), 1e-3
    layer = rt.from_norse(SimpleNamespace(p=p, dt=dt))
    v, i, kept = torch.full((5,), 0.1, dtype=torch.float64), torch.zeros(5, dtype=torch.float64), []
    for x in X:
        i = i + x
        v = v + dt * p.tau_mem_inv * ((p.v_leak - v) + i)
        i = i - dt * p.tau_syn_inv * i
        spikes = (v > p.v_th).double()
        v = (1 - spikes) * v + spikes * p.v_reset
        kept.append(spikes)
    assert torch.stack(kept).sum() > 100
    assert torch.equal(layer(X)[0], torch.stack(kept))


def test_norse_itself():
    norse = pytest.importorskip("norse.torch")
    cell = norse.LIFCell(norse.LIFParameters())
    layer, state, kept = rt.from_norse(cell), None, []
    for x in X:
        spikes, state = cell(x, state)
        kept.append(spikes)
    assert torch.stack(kept).sum() > 100
    assert torch.equal(layer(X)[0], torch.stack(kept))
