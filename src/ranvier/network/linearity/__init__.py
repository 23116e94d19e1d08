"""Which equations are linear, and the numbers of their steps.

What a group's equations look like is read once from their jaxprs and remembered
for the structure; the numbers are computed from the parameters each time, by
NumPy where they are known and by JAX where they are traced. In order:

1. `near = Neighbourhood(...)`: the group and the synapses at its neurons, structure alone;
   `parts = {"model": Stacked, "synapses": {name: model}}`: their parameters.
2. `exact(near, parts)`: an `Exact`, or `NotAffine` with the reason why `ExactLinear` cannot take it.
3. `whole_step(near, parts, exactly=…)`: a `WholeStep` for the kernel `integrate_and_fire`, or `NotAffine`.
   `equations`, `variables` and `driven` are its structure.
4. `numbers = step.numbers(parts, dt, dtype)` of either: a pytree, an argument of the compiled step.
   Traced parameters may be given, so that gradients pass.
5. Without the kernel, `step.advance(numbers, variables, current)` of an `Exact` is the step.
"""

from ranvier.network.linearity.exact import Exact as Exact
from ranvier.network.linearity.exact import exact as exact
from ranvier.network.linearity.jaxprs import adds_to as adds_to
from ranvier.network.linearity.jaxprs import depends as depends
from ranvier.network.linearity.jaxprs import of_any_length as of_any_length
from ranvier.network.linearity.neighbourhood import INPUT as INPUT
from ranvier.network.linearity.neighbourhood import LocalSynapses as LocalSynapses
from ranvier.network.linearity.neighbourhood import Neighbourhood as Neighbourhood
from ranvier.network.linearity.polynomials import CONSTANT as CONSTANT
from ranvier.network.linearity.polynomials import NotAffine as NotAffine
from ranvier.network.linearity.whole_step import WholeStep as WholeStep
from ranvier.network.linearity.whole_step import whole_step as whole_step
