"""Rules by which weights change while a network runs."""

from ranvier.plasticity.base import Change as Change
from ranvier.plasticity.base import LowPass as LowPass
from ranvier.plasticity.base import PlasticityRule as PlasticityRule
from ranvier.plasticity.base import SumOfProducts as SumOfProducts
from ranvier.plasticity.base import Trace as Trace
from ranvier.plasticity.modulator import Modulator as Modulator
from ranvier.plasticity.pair import PairSTDP as PairSTDP
