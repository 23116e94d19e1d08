"""Spiking layers for PyTorch: `import ranvier.torch as rt`."""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError("ranvier.torch needs PyTorch: pip install 'ranvier[torch]'") from error

from ranvier.torch.functional import LIFState as LIFState
from ranvier.torch.functional import lif_sequence as lif_sequence
from ranvier.torch.functional import lif_step as lif_step
from ranvier.torch.functional import stochastic_spike as stochastic_spike
from ranvier.torch.surrogate import ArcTangent as ArcTangent
from ranvier.torch.surrogate import FastSigmoid as FastSigmoid
from ranvier.torch.surrogate import Gaussian as Gaussian
from ranvier.torch.surrogate import MultiGaussian as MultiGaussian
from ranvier.torch.surrogate import StraightThrough as StraightThrough
from ranvier.torch.surrogate import Surrogate as Surrogate
from ranvier.torch.surrogate import Triangle as Triangle
