"""Spiking layers for PyTorch: `import ranvier.torch as rt`."""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError("ranvier.torch needs PyTorch: pip install 'ranvier[torch]'") from error

from ranvier.listing import listed as _listed
from ranvier.torch import decode as decode
from ranvier.torch import encode as encode
from ranvier.torch import plot as plot
from ranvier.torch.adex import AdEx as AdEx
from ranvier.torch.adex import AdExState as AdExState
from ranvier.torch.bernoulli import AutoregressiveBernoulli as AutoregressiveBernoulli
from ranvier.torch.bernoulli import AutoregressiveState as AutoregressiveState
from ranvier.torch.bernoulli import Bernoulli as Bernoulli
from ranvier.torch.convert import from_norse as from_norse
from ranvier.torch.convert import from_snntorch as from_snntorch
from ranvier.torch.current_lif import CurrentLIF as CurrentLIF
from ranvier.torch.current_lif import CurrentLIFState as CurrentLIFState
from ranvier.torch.current_readout import CurrentReadout as CurrentReadout
from ranvier.torch.current_readout import CurrentReadoutState as CurrentReadoutState
from ranvier.torch.delay import Delay as Delay
from ranvier.torch.delays import Delays as Delays
from ranvier.torch.engine import EngineNetwork as EngineNetwork
from ranvier.torch.engine import TensorCurrent as TensorCurrent
from ranvier.torch.feedback import AdaptationCurrent as AdaptationCurrent
from ranvier.torch.feedback import DynamicSlope as DynamicSlope
from ranvier.torch.feedback import FeedbackState as FeedbackState
from ranvier.torch.feedback import Mechanism as Mechanism
from ranvier.torch.feedback import Neuromodulation as Neuromodulation
from ranvier.torch.feedback import SynapticEfficiency as SynapticEfficiency
from ranvier.torch.feedback import WithFeedback as WithFeedback
from ranvier.torch.firing import SigmoidFiring as SigmoidFiring
from ranvier.torch.functional import LIFState as LIFState
from ranvier.torch.functional import lif_sequence as lif_sequence
from ranvier.torch.functional import lif_step as lif_step
from ranvier.torch.functional import stochastic_spike as stochastic_spike
from ranvier.torch.fuse import Fused as Fused
from ranvier.torch.izhikevich import Izhikevich as Izhikevich
from ranvier.torch.izhikevich import IzhikevichState as IzhikevichState
from ranvier.torch.layer import SpikingLayer as SpikingLayer
from ranvier.torch.layer import map_state as map_state
from ranvier.torch.lif import LIF as LIF
from ranvier.torch.lif import AdaptiveLIF as AdaptiveLIF
from ranvier.torch.nir_format import from_nir as from_nir
from ranvier.torch.nir_format import to_nir as to_nir
from ranvier.torch.readout import LeakyReadout as LeakyReadout
from ranvier.torch.recurrent import Recurrent as Recurrent
from ranvier.torch.recurrent import RecurrentState as RecurrentState
from ranvier.torch.sequential import Sequential as Sequential
from ranvier.torch.short_term_plasticity import ShortTermPlasticity as ShortTermPlasticity
from ranvier.torch.short_term_plasticity import ShortTermPlasticityState as ShortTermPlasticityState
from ranvier.torch.surrogate import ArcTangent as ArcTangent
from ranvier.torch.surrogate import FastSigmoid as FastSigmoid
from ranvier.torch.surrogate import Gaussian as Gaussian
from ranvier.torch.surrogate import MultiGaussian as MultiGaussian
from ranvier.torch.surrogate import StraightThrough as StraightThrough
from ranvier.torch.surrogate import Surrogate as Surrogate
from ranvier.torch.surrogate import Triangle as Triangle
from ranvier.torch.unrolling import checkpointed as checkpointed
from ranvier.torch.unrolling import trace as trace
from ranvier.torch.unrolling import truncated as truncated
from ranvier.torch.watch import FiringWarning as FiringWarning
from ranvier.torch.watch import watch_firing as watch_firing


def __dir__() -> list[str]:
    return _listed(globals(), "functional", "fused", "plot")
