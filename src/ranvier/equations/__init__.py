"""Equations as text: drawn as formulas, and read to make models of them.

Reading goes in five steps, a file each: `source` (what the user wrote, and errors that point into it), `statements` (one line
each), `expressions` (arithmetic on Python's syntax trees; nothing is ever handed to `eval`), `dimensions` (units, checked
when a model is made), and `neuron` and `synapse`, which make classes of it.
"""

from ranvier.equations.rendered import GREEK as GREEK
from ranvier.equations.rendered import mathml as mathml
