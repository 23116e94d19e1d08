"""The ready-made models by name: what `ranvier models` lists and `ranvier run NAME` runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ranvier.errors import ParameterError, unknown
from ranvier.integrators.base import Integrator
from ranvier.integrators.exponential_euler import ExponentialEuler
from ranvier.integrators.runge_kutta import RungeKutta4
from ranvier.integrators.split_euler import SplitEuler
from ranvier.models.acker2003 import stellate_cells
from ranvier.models.antennal_lobe import antennal_lobe
from ranvier.models.brette2007 import coba, cobahh, cuba
from ranvier.models.brunel2000 import brunel
from ranvier.models.burak2009 import grid_cells
from ranvier.models.butz2013 import homeostatic_growth
from ranvier.models.diehl_cook2015 import diehl_cook
from ranvier.models.izhikevich2003 import izhikevich
from ranvier.models.izhikevich2007 import distal_reward
from ranvier.models.litwin_kumar2012 import clustered
from ranvier.models.microcircuit import microcircuit
from ranvier.models.neurapse import dynamic_random_network, feedforward
from ranvier.models.song2000 import song_miller_abbott
from ranvier.models.synfire_chain import synfire_chain
from ranvier.models.vogels2011 import inhibitory_balance
from ranvier.models.vogels_abbott2005 import vogels_abbott
from ranvier.models.wang2002 import wang
from ranvier.network.spec import Network
from ranvier.record import Record


@dataclasses.dataclass(frozen=True)
class ReadyMade:
    """A published network with the settings it is usually run with.

    Attributes:
        name: what it is called, as in `ranvier.models`.
        title: what its report is headed.
        summary: one line.
        make: makes the network.
        duration, dt: how long and in what steps (ms).
        record: from the network to what is recorded of it, besides its spikes.
        integrator: what advances it; what `simulate` would choose when None.
        precision: of the numbers.
        settled: until when activity is what the start made of it (ms); statistics begin there.
        aliases: other names.
        switches: the command line's switches that it knows, and the arguments of `make` they stand for.
        options: the command line's options that it knows, which are arguments of `make`.
        fields: a projection whose weights are drawn as pictures of its sources, if any.
        seeded: whether `make` takes a `seed`, because it draws something itself.
        source: the paper.
    """

    name: str
    title: str
    summary: str
    make: Callable[..., Network]
    duration: float
    dt: float
    record: Callable[[Network], list[Record]] = lambda network: []
    integrator: Integrator | None = None
    precision: str = "double"
    settled: float = 0.0
    aliases: tuple[str, ...] = ()
    switches: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    options: tuple[str, ...] = ()
    fields: str = ""
    seeded: bool = False
    source: str = ""

    def network(self, seed: int = 0, *switches: str, **options: Any) -> Network:
        """The network, with the given switches and options.

        Raises:
            ParameterError: it has no such switch or option.
        """
        for option in options:
            if option not in self.options:
                known = f"it knows {', '.join('--' + o for o in self.options)}" if self.options else "it has none"
                raise ParameterError(f"--{option} means nothing to {self.name}: {known}.")
        for switch in switches:
            if switch not in self.switches:
                known = f"it knows {', '.join('--' + s for s in self.switches)}" if self.switches else "it has none"
                raise ParameterError(f"--{switch} means nothing to {self.name}: {known}.")
            options.update(self.switches[switch])
        return self.make(**options, **({"seed": seed} if self.seeded else {}))


def _mean_weights(network: Network) -> list[Record]:
    """The mean weight of each projection that learns."""
    learning = [
        name for name, projection in network.projections.items() if projection.plasticity is not None and projection.structure is None
    ]
    return [Record(name, "weight", reduce="mean", every=10.0) for name in learning]


CATALOGUE: tuple[ReadyMade, ...] = (
    ReadyMade(
        name="antennal_lobe",
        aliases=("locust",),
        title="The locust antennal lobe",
        summary="The locust antennal lobe: 90 projection and 30 local neurons smell an odor for half a second.",
        make=antennal_lobe,
        duration=1000.0,
        dt=0.01,
        record=lambda network: [
            Record("PN", "V", every=0.5),
            Record("LN", ["V", "calcium.concentration"], every=0.5),
        ],
        integrator=RungeKutta4(),
        switches={"no-gaba": {"gaba": False}},
        seeded=True,
        source="Mohanta & Assisi 2019 (PSST), Day 6, after Bazhenov et al. 2001, Neuron 30:553 and 569",
    ),
    ReadyMade(
        name="cuba",
        title="CUBA",
        summary="4000 integrate-and-fire neurons with synapses that are currents: sparse, irregular activity that keeps itself up.",
        make=cuba,
        duration=2000.0,
        dt=0.1,
        settled=200.0,
        options=("scale",),
        source="Brette et al. 2007, J Comput Neurosci 23:349, benchmark 2",
    ),
    ReadyMade(
        name="coba",
        title="COBA",
        summary="4000 integrate-and-fire neurons with synapses that are conductances: bursty activity that keeps itself up.",
        make=coba,
        duration=2000.0,
        dt=0.1,
        integrator=ExponentialEuler(),
        settled=200.0,
        options=("scale",),
        source="Brette et al. 2007, J Comput Neurosci 23:349, benchmark 1",
    ),
    ReadyMade(
        name="cobahh",
        title="COBAHH",
        summary="4000 Hodgkin–Huxley neurons of Traub and Miles with synapses that are conductances.",
        make=cobahh,
        duration=1000.0,
        dt=0.1,
        integrator=ExponentialEuler(),
        settled=300.0,
        options=("scale",),
        source="Brette et al. 2007, J Comput Neurosci 23:349, benchmark 3",
    ),
    ReadyMade(
        name="brunel",
        title="Brunel's sparse network",
        summary="12 500 integrate-and-fire neurons under a Poisson drive, in one of four regimes (--regime A, B, C or D).",
        make=brunel,
        duration=1000.0,
        dt=0.1,
        settled=200.0,
        options=("scale", "regime"),
        source="Brunel 2000, J Comput Neurosci 8:183",
    ),
    ReadyMade(
        name="izhikevich",
        title="Izhikevich's network",
        summary="1000 spiking neurons of mixed kinds, all to all, in the steps of 1 ms of the published program: alpha and gamma rhythms.",
        make=izhikevich,
        duration=1000.0,
        dt=1.0,
        integrator=SplitEuler(),
        seeded=True,
        source="Izhikevich 2003, IEEE Trans Neural Netw 14:1569",
    ),
    ReadyMade(
        name="vogels_abbott",
        title="Vogels and Abbott's network",
        summary="4000 integrate-and-fire neurons that a stimulus of 50 ms sets going.",
        make=vogels_abbott,
        duration=1000.0,
        dt=0.1,
        integrator=ExponentialEuler(),
        settled=100.0,
        options=("scale",),
        source="Vogels & Abbott 2005, J Neurosci 25:10786",
    ),
    ReadyMade(
        name="synfire_chain",
        title="Diesmann's synfire chain",
        summary="Ten groups of 100 neurons in a row: a volley of 85 spikes runs through, and sharpens.",
        make=synfire_chain,
        duration=150.0,
        dt=0.1,
        aliases=("synfire",),
        seeded=True,
        source="Diesmann, Gewaltig & Aertsen 1999, Nature 402:529",
    ),
    ReadyMade(
        name="microcircuit",
        title="The cortical microcircuit",
        summary="Four layers of cortex under 1 mm², 77 169 neurons with 299 million synapses (--scale 0.1 for a tenth).",
        make=microcircuit,
        duration=1000.0,
        dt=0.1,
        precision="single",
        settled=100.0,
        options=("scale",),
        source="Potjans & Diesmann 2014, Cereb Cortex 24:785",
    ),
    ReadyMade(
        name="song_miller_abbott",
        title="Synapses that compete",
        summary="A thousand plastic synapses onto one neuron: most become weak, some as strong as they may.",
        make=song_miller_abbott,
        duration=100_000.0,
        dt=0.5,
        record=_mean_weights,
        integrator=ExponentialEuler(),
        settled=1000.0,
        seeded=True,
        source="Song, Miller & Abbott 2000, Nat Neurosci 3:919",
    ),
    ReadyMade(
        name="distal_reward",
        title="A reward that comes late",
        summary="A neuron with 50 inputs, one of which is rewarded when its spike is followed by the neuron's: about a second later.",
        make=distal_reward,
        duration=300_000.0,
        dt=1.0,
        record=lambda network: [Record("inputs→cell", "weight", every=1000.0)],
        settled=1000.0,
        source="Izhikevich 2007, Cereb Cortex 17:2443",
    ),
    ReadyMade(
        name="inhibitory_balance",
        title="Inhibition that learns to balance",
        summary="10 000 neurons that fire as fast as they can, until inhibition has learnt to hold them at 3 Hz.",
        make=inhibitory_balance,
        duration=10_000.0,
        dt=0.1,
        record=_mean_weights,
        integrator=ExponentialEuler(),
        settled=5000.0,
        options=("scale",),
        source="Vogels et al. 2011, Science 334:1569",
    ),
    ReadyMade(
        name="wang",
        aliases=("wang2002", "decision"),
        title="A decision",
        summary="2000 neurons that gather evidence for one of two stimuli over a second, and remember which it was.",
        make=wang,
        duration=2500.0,
        dt=0.1,
        integrator=RungeKutta4(),
        settled=200.0,
        options=("scale",),
        seeded=True,
        source="Wang 2002, Neuron 36:955",
    ),
    ReadyMade(
        name="clustered",
        aliases=("litwin_kumar",),
        title="Clusters that come and go",
        summary="5000 neurons whose excitation comes in 50 clusters: these become active and silent by turns.",
        make=clustered,
        duration=3000.0,
        dt=0.1,
        settled=500.0,
        options=("scale",),
        source="Litwin-Kumar & Doiron 2012, Nat Neurosci 15:1498",
    ),
    ReadyMade(
        name="stellate_cells",
        aliases=("stellate",),
        title="Stellate cells in step",
        summary="20 stellate cells of the entorhinal cortex that fire at theta and excite each other into step.",
        make=stellate_cells,
        duration=5000.0,
        dt=0.05,
        record=lambda network: [Record("stellate", "V", every=0.5)],
        settled=1000.0,
        source="Acker, Kopell & White 2003, J Comput Neurosci 15:71",
    ),
    ReadyMade(
        name="grid_cells",
        title="Grid cells",
        summary="1024 neurons on whose sheet a pattern moves as an animal does: each fires at the corners of triangles in the room.",
        make=grid_cells,
        duration=61_000.0,
        dt=0.5,
        record=lambda network: [Record("sheet", "rate", every=20.0)],
        integrator=ExponentialEuler(),
        settled=1000.0,
        seeded=True,
        source="Burak & Fiete 2009, PLoS Comput Biol 5:e1000291",
    ),
    ReadyMade(
        name="diehl_cook",
        aliases=("competing_neurons",),
        title="Neurons that compete for digits",
        summary="400 neurons that learn scikit-learn's handwritten digits without labels, from 300 of them (--duration shows more).",
        make=diehl_cook,
        duration=60_000.0,
        dt=1.0,
        record=_mean_weights,
        integrator=ExponentialEuler(),
        fields="pixels→neurons",
        seeded=True,
        source="Diehl & Cook 2015, Front Comput Neurosci 9:99",
    ),
    ReadyMade(
        name="homeostatic_growth",
        title="A network that wires itself",
        summary="100 neurons that grow synapses until each of them fires at 5 Hz.",
        make=homeostatic_growth,
        duration=30_000.0,
        dt=0.5,
        record=lambda network: [Record("grown", ["edges", "incoming calcium"], every=500.0)],
        settled=20_000.0,
        options=("scale",),
        source="Butz & van Ooyen 2013, PLoS Comput Biol 9:e1003259",
    ),
    ReadyMade(
        name="feedforward",
        title="Neurapse's feed-forward network",
        summary="Three neurons onto two: delays make the one or the other answer to the order in which the three fire.",
        make=feedforward,
        duration=100.0,
        dt=0.1,
        record=lambda network: [Record("pre", "V"), Record("post", ["V", "synaptic_current"])],
        source="Neurapse (github.com/udion/Neurapse), after Izhikevich 2006, Neural Comput 18:245",
    ),
    ReadyMade(
        name="dynamic_random_network",
        aliases=("drn",),
        title="Neurapse's dynamic random network",
        summary="200 neurons wired at random with delays of 1 to 20 ms, of which 25 are driven (--gamma scales the excitation, --plastic "
        "lets it learn).",
        make=dynamic_random_network,
        duration=2000.0,
        dt=0.1,
        record=_mean_weights,
        settled=200.0,
        switches={"plastic": {"plastic": True}},
        options=("scale", "gamma"),
        seeded=True,
        source="Neurapse (github.com/udion/Neurapse), after Izhikevich 2006, Neural Comput 18:245",
    ),
)


def find(name: str) -> ReadyMade:
    """The ready-made model of that name or alias.

    Raises:
        UnknownNameError: there is none; the nearest names are offered.

    Example:
        >>> find("locust").name
        'antennal_lobe'
    """
    wanted = name.lower().replace("-", "_")
    known = {word: entry for entry in CATALOGUE for word in (entry.name, *entry.aliases)}
    if wanted not in known:
        raise unknown("model", name, known)
    return known[wanted]
