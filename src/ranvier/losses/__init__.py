"""How far a simulation is from data: what `rv.fit` makes small. One a file; a new one is a subclass of `Loss`."""

from ranvier.losses.base import Loss as Loss
from ranvier.losses.base import Target as Target
from ranvier.losses.base import Window as Window
from ranvier.losses.coincidence import Coincidence as Coincidence
from ranvier.losses.features import FEATURES as FEATURES
from ranvier.losses.features import Features as Features
from ranvier.losses.rate import Rate as Rate
from ranvier.losses.spike_times import SpikeTimes as SpikeTimes
from ranvier.losses.sum import Sum as Sum
from ranvier.losses.van_rossum import VanRossum as VanRossum
from ranvier.losses.voltage import Voltage as Voltage
