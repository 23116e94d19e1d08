"""Any ordinary or stochastic differential equation, on the array library that its initial state belongs to."""

from ranvier.odeint.adaptive import Adaptive as Adaptive
from ranvier.odeint.event import Event as Event
from ranvier.odeint.solve import odeint as odeint
