"""Who is wired to whom: rules and matrices that give edges."""

from ranvier.connect.assemble import EventEdges as EventEdges
from ranvier.connect.assemble import assemble as assemble
from ranvier.connect.base import ConnectionRule as ConnectionRule
from ranvier.connect.base import Edges as Edges
from ranvier.connect.base import RowRule as RowRule
from ranvier.connect.base import Rows as Rows
from ranvier.connect.capacity import Capacity as Capacity
from ranvier.connect.capacity import capacity_for as capacity_for
from ranvier.connect.clustered import by_cluster as by_cluster
from ranvier.connect.clustered import clustered as clustered
from ranvier.connect.degrees import fixed_in_degree as fixed_in_degree
from ranvier.connect.degrees import fixed_out_degree as fixed_out_degree
from ranvier.connect.degrees import fixed_total_number as fixed_total_number
from ranvier.connect.distance import by_distance as by_distance
from ranvier.connect.distance import distance_dependent as distance_dependent
from ranvier.connect.distance import exponential as exponential
from ranvier.connect.distance import gaussian as gaussian
from ranvier.connect.lists import edge_list as edge_list
from ranvier.connect.lists import fanout as fanout
from ranvier.connect.lists import from_file as from_file
from ranvier.connect.matrix import matrix as matrix
from ranvier.connect.part import Part as Part
from ranvier.connect.rules import all_to_all as all_to_all
from ranvier.connect.rules import one_to_one as one_to_one
from ranvier.connect.rules import pairwise_bernoulli as pairwise_bernoulli
from ranvier.connect.scale_free import scale_free as scale_free
from ranvier.connect.small_world import small_world as small_world
from ranvier.connect.symmetric import symmetric_pairs as symmetric_pairs
from ranvier.connect.topographic import topographic as topographic
from ranvier.listing import listed as _listed


def __dir__() -> list[str]:
    return _listed(globals())
