"""Stimuli: currents as functions of the time the integrator asks for."""

from ranvier.listing import listed as _listed
from ranvier.stimuli.base import Constant as Constant
from ranvier.stimuli.base import Function as Function
from ranvier.stimuli.base import Stimulus as Stimulus
from ranvier.stimuli.base import as_stimulus as as_stimulus
from ranvier.stimuli.noise import WhiteNoise as WhiteNoise
from ranvier.stimuli.pulses import Ramp as Ramp
from ranvier.stimuli.pulses import SquarePulse as SquarePulse
from ranvier.stimuli.pulses import Steps as Steps
from ranvier.stimuli.sampled import PublishedSampling as PublishedSampling
from ranvier.stimuli.sampled import Sampled as Sampled
from ranvier.stimuli.sine import Sine as Sine


def __dir__() -> list[str]:
    return _listed(globals())
