"""Rules by which weights change while a network runs."""

from ranvier.plasticity.base import Change as Change
from ranvier.plasticity.base import PlasticityRule as PlasticityRule
from ranvier.plasticity.base import SumOfProducts as SumOfProducts
from ranvier.plasticity.bcm import SlidingThreshold as SlidingThreshold
from ranvier.plasticity.delayed import DelayedWindowSTDP as DelayedWindowSTDP
from ranvier.plasticity.homeostasis import Homeostasis as Homeostasis
from ranvier.plasticity.homeostasis import NoHomeostasis as NoHomeostasis
from ranvier.plasticity.homeostasis import Normalization as Normalization
from ranvier.plasticity.homeostasis import SynapticScaling as SynapticScaling
from ranvier.plasticity.inhibitory import InhibitorySTDP as InhibitorySTDP
from ranvier.plasticity.modulator import Modulator as Modulator
from ranvier.plasticity.pair import PairSTDP as PairSTDP
from ranvier.plasticity.postsynaptic import PostsynapticSTDP as PostsynapticSTDP
from ranvier.plasticity.proportional import ProportionalSTDP as ProportionalSTDP
from ranvier.plasticity.protocol import weight_after as weight_after
from ranvier.plasticity.reward import RewardModulatedSTDP as RewardModulatedSTDP
from ranvier.plasticity.rewards import Rewards as Rewards
from ranvier.plasticity.traces import LowPass as LowPass
from ranvier.plasticity.traces import Trace as Trace
from ranvier.plasticity.triplet import TripletSTDP as TripletSTDP
from ranvier.plasticity.voltage import VoltageSTDP as VoltageSTDP
