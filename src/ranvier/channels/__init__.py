"""Ion channels and ion pools, one published family a file."""

from ranvier.channels.acker import AckerHCurrent as AckerHCurrent
from ranvier.channels.acker import AckerPersistentSodium as AckerPersistentSodium
from ranvier.channels.acker import AckerPotassium as AckerPotassium
from ranvier.channels.acker import AckerSodium as AckerSodium
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
from ranvier.channels.connor_stevens import ConnorStevensPotassium as ConnorStevensPotassium
from ranvier.channels.connor_stevens import ConnorStevensSodium as ConnorStevensSodium
from ranvier.channels.connor_stevens import ConnorStevensTransientPotassium as ConnorStevensTransientPotassium
from ranvier.channels.hodgkin_huxley import HodgkinHuxleyPotassium as HodgkinHuxleyPotassium
from ranvier.channels.hodgkin_huxley import HodgkinHuxleySodium as HodgkinHuxleySodium
from ranvier.channels.leak import Leak as Leak
from ranvier.channels.traub_miles import TraubMilesPotassium as TraubMilesPotassium
from ranvier.channels.traub_miles import TraubMilesSodium as TraubMilesSodium
from ranvier.channels.wang_buzsaki import WangBuzsakiPotassium as WangBuzsakiPotassium
from ranvier.channels.wang_buzsaki import WangBuzsakiSodium as WangBuzsakiSodium
from ranvier.listing import listed as _listed


def __dir__() -> list[str]:
    return _listed(globals())
