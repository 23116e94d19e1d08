"""Who is wired to whom: rules and matrices that give edges."""

from ranvier.connect.assemble import EventEdges as EventEdges
from ranvier.connect.assemble import assemble as assemble
from ranvier.connect.base import ConnectionRule as ConnectionRule
from ranvier.connect.base import Edges as Edges
from ranvier.connect.base import RowRule as RowRule
from ranvier.connect.base import Rows as Rows
from ranvier.connect.capacity import Capacity as Capacity
from ranvier.connect.capacity import capacity_for as capacity_for
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
