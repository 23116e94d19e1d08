"""Does the published antennal lobe oscillate at 20 Hz, and does fast GABA make it?

Runs the network of `ranvier run locust` from several seeds with and without
inhibition, and looks at the mean potential of the projection neurons and at
their population rate while the odor is there (100–600 ms). For each: Welch's
spectrum (segments of 250 ms, so a resolution of 4 Hz), its peak, and the shares
of the power between 5 and 100 Hz that lie between 15 and 30 Hz and between 30
and 50 Hz (evenly spread power would give 17 % and 22 %). What the
neurons do together is told from what they do each on their own by surrogates:
every neuron's course in the window is turned round by a random shift, 200
times; `z` is how many standard deviations the power in a band is above theirs.

    python benchmarks/antennal_lobe_spectrum.py [--seeds 6] [--out benchmarks/results/antennal_lobe_spectrum.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time

import numpy as np
import xarray
from scipy.signal import welch

import ranvier as rv
from ranvier.analysis import power_spectrum

WINDOW = (100.0, 600.0)
BANDS, WHOLE = ((15.0, 30.0), (30.0, 50.0)), (5.0, 100.0)
SURROGATES = 200


def spectrum_of(values: xarray.DataArray) -> tuple[np.ndarray, np.ndarray]:
    density = power_spectrum(values, start=WINDOW[0], stop=WINDOW[1])
    return density.frequency.values, density.values


def between(frequency: np.ndarray, power: np.ndarray, low: float, high: float) -> float:
    inside = (frequency >= low) & (frequency <= high)
    return float(power[inside].sum())


def above_chance(columns: np.ndarray, every: float, band: tuple[float, float], random: np.random.Generator) -> float:
    """How far a band's power of the mean over columns is above that of columns shifted each on its own."""

    def power(mean: np.ndarray) -> float:
        frequency, density = welch(mean, fs=1000 / every, nperseg=round(250 / every), nfft=round(1000 / every), detrend="linear")
        return between(frequency, density, *band)

    rows = np.arange(len(columns))[:, None]
    chance = []
    for _ in range(SURROGATES):
        shifts = random.integers(0, len(columns), columns.shape[1])
        chance.append(power(np.take_along_axis(columns, (rows + shifts) % len(columns), 0).mean(1)))
    return float((power(columns.mean(1)) - np.mean(chance)) / (np.std(chance) or 1.0))


def measured(seed: int, gaba: bool) -> dict:
    net = rv.models.antennal_lobe(seed=seed, gaba=gaba)
    run = rv.simulate(net, duration=1000.0, seed=seed, record=[rv.Record("PN", "V", every=0.5)])
    seconds = (WINDOW[1] - WINDOW[0]) / 1000
    random = np.random.default_rng(seed)
    result: dict = {"seed": seed, "gaba": gaba, "spikes": len(run.spikes)}
    for name in ("PN", "LN"):
        spikes = run[name].spikes
        during = (spikes.times >= WINDOW[0]) & (spikes.times < WINDOW[1])
        counts = np.bincount(spikes.neurons[during], minlength=spikes.n)
        factor = np.asarray(net.populations[name].current.factor)
        result[name] = {
            "rate_Hz": float(counts.mean() / seconds),
            "rate_of_driven_Hz": float(counts[factor > 0].mean() / seconds),
            "neurons_that_fire": int((counts > 0).sum()),
        }
    V = run["PN"].V
    spikes = run["PN"].spikes
    inside = (V.time.values >= WINDOW[0]) & (V.time.values < WINDOW[1])
    binned = np.zeros((round(WINDOW[1] - WINDOW[0]), spikes.n))
    ms = np.floor(spikes.times - WINDOW[0] + 1e-6).astype(int)
    keep = (ms >= 0) & (ms < len(binned))
    np.add.at(binned, (ms[keep], spikes.neurons[keep]), 1.0)
    for what, values, columns, every in (
        ("mean_potential", V, np.asarray(V.values)[inside], 0.5),
        ("population_rate", spikes.population_rate(1.0), binned, 1.0),
    ):
        frequency, power = spectrum_of(values)
        looked_at = (frequency >= WHOLE[0]) & (frequency <= WHOLE[1])
        result[what] = {
            "peak_Hz": float(frequency[looked_at][power[looked_at].argmax()]),
            "peak_over_median": float(power[looked_at].max() / np.median(power[looked_at])),
            "power_5_100": between(frequency, power, *WHOLE) * float(frequency[1] - frequency[0]),
            **{f"share_{a:g}_{b:g}": between(frequency, power, a, b) / between(frequency, power, *WHOLE) for a, b in BANDS},
            **{f"z_{a:g}_{b:g}": above_chance(columns, every, (a, b), random) for a, b in BANDS},
            "spectrum": [float(f"{p:.4g}") for p in power[frequency <= WHOLE[1]]],
        }
        result[what]["frequency_step_Hz"] = float(frequency[1] - frequency[0])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--out", default=os.path.join(os.path.dirname(__file__), "results", "antennal_lobe_spectrum.json"))
    arguments = parser.parse_args()
    began = time.perf_counter()
    runs = [measured(seed, gaba) for gaba in (True, False) for seed in range(arguments.seeds)]
    summary = {}
    for gaba in (True, False):
        mine = [run for run in runs if run["gaba"] is gaba]
        rows = summary["with GABA" if gaba else "without GABA"] = {}
        for name in ("PN", "LN"):
            for quantity in mine[0][name]:
                values = [run[name][quantity] for run in mine]
                rows[f"{name} {quantity}"] = [float(np.mean(values)), float(np.std(values))]
        for what in ("mean_potential", "population_rate"):
            for quantity in ("peak_Hz", "peak_over_median", "power_5_100", "share_15_30", "share_30_50", "z_15_30", "z_30_50"):
                values = [run[what][quantity] for run in mine]
                rows[f"{what} {quantity}"] = [float(np.mean(values)), float(np.std(values))]
            together = np.mean([run[what]["spectrum"] for run in mine], axis=0)
            step = mine[0][what]["frequency_step_Hz"]
            low = round(WHOLE[0] / step)
            rows[f"{what} peak_of_the_mean_spectrum_Hz"] = float((low + together[low:].argmax()) * step)
    for condition, rows in summary.items():
        print(condition)
        for name, value in rows.items():
            print(f"  {name:50}", f"{value[0]:10.3g} ± {value[1]:.3g}" if isinstance(value, list) else f"{value:10.3g}")
    document = {
        "question": __doc__.split("\n")[0],
        "integrator": "RungeKutta4, dt 0.01 ms, double",
        "seeds": arguments.seeds,
        "window_ms": WINDOW,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "seconds": time.perf_counter() - began,
        "summary_mean_and_sd_over_seeds": summary,
        "runs": runs,
    }
    with open(arguments.out, "w") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
