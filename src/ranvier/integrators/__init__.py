"""Methods that advance any system of differential equations, one family a file."""

from ranvier.integrators.adams_bashforth import AdamsBashforth2 as AdamsBashforth2
from ranvier.integrators.adams_bashforth import AdamsBashforth4 as AdamsBashforth4
from ranvier.integrators.base import ExplicitRungeKutta as ExplicitRungeKutta
from ranvier.integrators.base import Integrator as Integrator
from ranvier.integrators.base import System as System
from ranvier.integrators.euler import Euler as Euler
from ranvier.integrators.exact_linear import ExactLinear as ExactLinear
from ranvier.integrators.exponential_euler import ExponentialEuler as ExponentialEuler
from ranvier.integrators.per_population import PerPopulation as PerPopulation
from ranvier.integrators.runge_kutta import Heun as Heun
from ranvier.integrators.runge_kutta import Midpoint as Midpoint
from ranvier.integrators.runge_kutta import Ralston as Ralston
from ranvier.integrators.runge_kutta import RungeKutta4 as RungeKutta4
from ranvier.integrators.runge_kutta import ThreeEighths as ThreeEighths
from ranvier.integrators.split_euler import SplitEuler as SplitEuler
from ranvier.integrators.stochastic import EulerMaruyama as EulerMaruyama
from ranvier.integrators.stochastic import Milstein as Milstein
from ranvier.integrators.stochastic import StochasticHeun as StochasticHeun
