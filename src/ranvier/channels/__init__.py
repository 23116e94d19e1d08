"""Ion channels and ion pools, one published family a file."""

from ranvier.channels.base import IonChannel as IonChannel
from ranvier.channels.base import IonPool as IonPool
from ranvier.channels.base import ratio_to_expm1 as ratio_to_expm1
from ranvier.channels.base import relax as relax
from ranvier.channels.base import sigmoid as sigmoid
from ranvier.channels.base import steady as steady
from ranvier.channels.bazhenov import BazhenovCalcium as BazhenovCalcium
from ranvier.channels.bazhenov import BazhenovPotassium as BazhenovPotassium
from ranvier.channels.bazhenov import BazhenovSodium as BazhenovSodium
from ranvier.channels.bazhenov import CalciumActivatedPotassium as CalciumActivatedPotassium
from ranvier.channels.bazhenov import CalciumPool as CalciumPool
from ranvier.channels.bazhenov import TransientPotassium as TransientPotassium
from ranvier.channels.hodgkin_huxley import HodgkinHuxleyPotassium as HodgkinHuxleyPotassium
from ranvier.channels.hodgkin_huxley import HodgkinHuxleySodium as HodgkinHuxleySodium
from ranvier.channels.leak import Leak as Leak
