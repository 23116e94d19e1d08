"""Networks: what they are, all that evolves in them, and one step of time."""

from ranvier.network.spec import Network as Network
from ranvier.network.spec import PoissonInput as PoissonInput
from ranvier.network.spec import Population as Population
from ranvier.network.spec import Projection as Projection
from ranvier.network.state import SimulationState as SimulationState
