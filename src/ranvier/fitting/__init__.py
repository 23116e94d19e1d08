"""Fitting: parameters that are searched, methods that search, and what a fit leaves. `rv.fit` is the way in."""

from ranvier.fitting.evolution import CMAES as CMAES
from ranvier.fitting.gradient import Gradient as Gradient
from ranvier.fitting.least_squares import LevenbergMarquardt as LevenbergMarquardt
from ranvier.fitting.method import Found as Found
from ranvier.fitting.method import Method as Method
from ranvier.fitting.problem import Problem as Problem
from ranvier.fitting.progress import FitProgress as FitProgress
from ranvier.fitting.result import Fit as Fit
