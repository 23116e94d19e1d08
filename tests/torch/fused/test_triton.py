"""The Triton kernels: on a GPU where there is one, else in Triton's interpreter where Triton is installed."""

import importlib.util
import itertools
import os

import pytest
import torch

import ranvier.torch as rt
from ranvier.torch import fused
from ranvier.torch.fused import operator, triton

from .test_lif import REASON, SURROGATES, assert_equal, problem, results

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
CASES = list(itertools.product((False, True), (0, 2), (False, True), (False, True)))

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed"),
    pytest.mark.skipif(not GPU and os.environ.get("TRITON_INTERPRET") != "1", reason="no GPU; TRITON_INTERPRET=1 interprets the kernels"),
    pytest.mark.skipif(REASON is not None and not GPU, reason="on a CPU the fused path asks for the native module"),
]


def moved(x, state, parameters):
    to = lambda t: None if t is None else t.detach().to(DEVICE).requires_grad_(t.is_floating_point())
    return to(x), rt.LIFState(*map(to, state)), {name: to(p) for name, p in parameters.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)))
def test_it_is_the_reference(monkeypatch, number, case, dtype):
    adaptive, refractory, subtract, stochastic = case
    if not GPU:
        monkeypatch.setattr(operator, "_kernels", lambda x: triton)
    x, state, parameters = problem(35 if number == 0 else 6, (3, 5), dtype, number, adaptive=adaptive, refractory=refractory, columns=(5,))
    others = {"refractory": refractory, "reset_by_subtraction": subtract, "detach_reset": number % 3 == 0}
    x, state, parameters = moved(x, state, parameters)
    if stochastic:
        others["uniform"] = (torch.randint(0, 64, x.shape, device=DEVICE).to(dtype) + 0.377) / 64
        parameters["slope"] = torch.full((5,), 2.0, dtype=dtype, device=DEVICE, requires_grad=True)
    elif number % 2:
        others["noise"] = (0.1 * torch.randn_like(x)).requires_grad_()
    others |= {"surrogate": SURROGATES[number % len(SURROGATES)], "threshold_min": 0.5, "threshold_max": 1.5}
    got, wanted = (results(f, x, state, parameters, **others) for f in (fused.lif_sequence, rt.lif_sequence))
    assert_equal(got, wanted, dtype)
