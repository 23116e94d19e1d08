"""The lab on a network that a program has made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ranvier import doors
from ranvier.integrators.base import Integrator
from ranvier.network.spec import Network, Population
from ranvier.neurons.base import NeuronModel
from ranvier.record.record import Record


def open(
    network: Network | Population | NeuronModel,
    *,
    dt: Any = 0.1,
    current: Any = None,
    integrator: Integrator | Mapping[Any, Integrator] | None = None,
    record: Record | Sequence[Record] | None = None,
    precision: str = "double",
    duration: Any = 1000.0,
    root: Any = ".",
    port: int = 0,
    browser: bool = True,
) -> None:
    """Shows a network in the browser, to be run, changed, watched and kept there. Returns at Ctrl-C.

    Args:
        network, dt, current, integrator, precision: as of `rv.simulate`.
        record: what a run that is kept in a store records where the page says nothing.
        duration: how long a run that is kept is planned for (ms).
        root: the folder whose stores are shown, and where runs are kept.
        port: to serve at; 0 for a free one.
        browser: whether the browser is opened; the address is printed anyhow.

    Raises:
        ParameterError: there is no such folder, or the port is taken.
        UnsupportedError: the extra `lab` is not installed.

    Example:
        >>> import ranvier as rv
        >>> rv.lab.open(rv.models.coba(), root="results")  # doctest: +SKIP
        http://127.0.0.1:38211/#token=…
    """
    from ranvier.given import as_network, checked_precision, checked_records
    from ranvier.lab.server.networks import Given, Setup
    from ranvier.lab.server.serve import serve

    step, planned = doors.interval(dt, "dt"), doors.interval(duration, "duration")
    net, single = as_network(network, current, None)
    setup = Setup("network", net, step, integrator, checked_precision(precision), planned, list(checked_records(record, single) or []))
    serve(Path(doors.path(root, "root")), own=Given(setup), show="network", port=doors.count(port, "port", high=65535), browser=browser)
