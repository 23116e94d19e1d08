"""One network on several devices, of one process or of many: cut by target neurons, with the same spikes on any number of them.

`simulate(…, devices=4)` and `prepare(…, devices=…)` are all that a program says. `join` makes processes that a cluster started one.
"""

from ranvier.devices.processes import ProcessesDiffer as ProcessesDiffer
from ranvier.devices.processes import ProcessLost as ProcessLost
from ranvier.devices.processes import join as join
