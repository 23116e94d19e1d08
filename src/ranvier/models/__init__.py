"""Ready-made published networks."""

from ranvier.listing import listed as _listed
from ranvier.models.acker2003 import stellate_cells as stellate_cells
from ranvier.models.antennal_lobe import Odor as Odor
from ranvier.models.antennal_lobe import antennal_lobe as antennal_lobe
from ranvier.models.brette2007 import coba as coba
from ranvier.models.brette2007 import cobahh as cobahh
from ranvier.models.brette2007 import cuba as cuba
from ranvier.models.brunel2000 import brunel as brunel
from ranvier.models.burak2009 import grid_cells as grid_cells
from ranvier.models.butz2013 import homeostatic_growth as homeostatic_growth
from ranvier.models.diehl_cook2015 import diehl_cook as diehl_cook
from ranvier.models.izhikevich2003 import izhikevich as izhikevich
from ranvier.models.izhikevich2007 import RewardForPairs as RewardForPairs
from ranvier.models.izhikevich2007 import distal_reward as distal_reward
from ranvier.models.litwin_kumar2012 import clustered as clustered
from ranvier.models.microcircuit import microcircuit as microcircuit
from ranvier.models.neurapse import dynamic_random_network as dynamic_random_network
from ranvier.models.neurapse import feedforward as feedforward
from ranvier.models.song2000 import song_miller_abbott as song_miller_abbott
from ranvier.models.synfire_chain import synfire_chain as synfire_chain
from ranvier.models.vogels2011 import inhibitory_balance as inhibitory_balance
from ranvier.models.vogels_abbott2005 import vogels_abbott as vogels_abbott
from ranvier.models.wang2002 import wang as wang


def __dir__() -> list[str]:
    return _listed(globals())
