"""PSST Day 5: a folder that its caller and runner left, against what the published code computed."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.interop import psst
from tests.interop.psst_folder import save_folder

TOLERANCE = 1e-8  # rounding alone differs; measured over 700 ms: 1.2e-9 mV


@pytest.fixture(scope="module")
def saved(published, tmp_path_factory):
    folder = tmp_path_factory.mktemp("psst")
    save_folder(folder, published("day5")["state_vector"], total=700)
    return psst.load_run(folder)


def test_the_folder_runs_as_one_run(published, saved):
    day5 = published("day5")
    run = saved.simulate(record=[rv.Record("X", "V", every=2.0), rv.Record("acetylcholine", "open", every=2.0)])
    assert saved.duration == pytest.approx(699.99) and run.state.step == 69_999
    np.testing.assert_allclose(run["X"].V.values, day5["V"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(run["acetylcholine"].open.values[:, 0], day5["o"][:, 0], rtol=0, atol=TOLERANCE)
    last = psst.to_vector(saved.network, run.state)
    np.testing.assert_allclose(last[:-3], day5["state_last"][:-3], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(last[-3:-1], day5["state_last"][-3:-1], rtol=0, atol=TOLERANCE)  # X1 and X2 fired


def test_the_shipped_second_batch_is_the_run_begun_anew(published, saved):
    """The published mistake: at 349.99 ms the published run starts from the initial state a second time."""
    day5 = published("day5")
    np.testing.assert_array_equal(day5["batch2_part_1_first"], day5["state_vector"])
    assert np.abs(day5["batch1_part_2_last"] - day5["batch2_part_1_first"])[:3].max() > 20  # mV

    again = psst.from_vector(saved.network, day5["state_vector"], time=349.99)
    run = rv.simulate(saved.network, duration=350.0, initial=again, record=[rv.Record("X", "V")])
    V = run["X"].V.values
    for part, first in ((1, 0), (2, 17_500)):
        theirs = day5[f"batch2_part_{part}_rows_every_200"]
        np.testing.assert_allclose(V[first::200][: len(theirs)], theirs[:, :3], rtol=0, atol=TOLERANCE)

    # The memory of the initial state fades: by the end of the pulse's answer both runs are the same.
    np.testing.assert_allclose(day5["batch2_part_2_last"], day5["state_last"], rtol=0, atol=1e-6)
