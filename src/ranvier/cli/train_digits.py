"""`ranvier run train-digits`: spiking neurons learn to read handwritten digits, and leave a folder like any run."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.cli import report
from ranvier.cli.figures import Picture, save
from ranvier.cli.folder import Folder
from ranvier.errors import ParameterError, UnsupportedError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ranvier.torch.examples.digits import DigitReader
    from ranvier.torch.examples.training import History

NAME = "train-digits"
SUMMARY = "spiking neurons learn to read handwritten digits (PyTorch; pip install 'ranvier[train]')"
TITLE = "Handwritten digits, read by spikes"
SOURCE = "Images: Alpaydin & Kaynak 1998, UCI Machine Learning Repository, as shipped by scikit-learn"
WORDS = (
    "An image of 8 × 8 pixels is a current into a layer of leaky integrate-and-fire neurons for {steps} ms. Their spikes drive ten "
    "membranes, which do not spike; the one that is highest on average is the answer. Weights and time constants are learnt by a "
    "surrogate gradient, from images that are turned, stretched and shifted a little each time. "
    "A fifth of the images is kept for the test: nothing is learnt from it or chosen by it, and the last epoch "
    "is what counts."
)
MEANINGLESS = {
    "folder": "its images come with scikit-learn",
    "duration": "an image is shown for 16 ms",
    "dt": "its step is 1 ms",
    "integrator": "its neurons have the exact step",
    "precision": "it learns in single precision",
    "scale": "its size is fixed",
    "regime": "it is for brunel",
    "gamma": "it is for drn",
    "plastic": "it is for drn",
    "no_gaba": "it is for locust",
    "store": "it has no engine's run to write",
    "checkpoint_every": "it has no engine's run to write",
    "overwrite": "it has no store",
}
SHOWN = 4  # digits in the pictures
NEURONS = 4  # hidden neurons whose potential is drawn


@dataclasses.dataclass(frozen=True)
class Test:
    """What the trained network does with the test set, as NumPy arrays, time first."""

    images: np.ndarray
    digits: np.ndarray
    spikes: np.ndarray
    potentials: np.ndarray
    readouts: np.ndarray

    @property
    def answers(self) -> np.ndarray:
        """The digit that it says each image is."""
        return self.readouts.mean(axis=0).argmax(axis=1)

    @property
    def shown(self) -> np.ndarray:
        """The first images of the first digits."""
        return np.array([np.flatnonzero(self.digits == digit)[0] for digit in range(SHOWN)])


def run(arguments: argparse.Namespace, epochs: int | None = None) -> None:
    """Trains, and leaves a folder with pictures, a report and the history.

    Args:
        arguments: of the command line.
        epochs: how often every image is learnt from; what `ranvier.torch.examples.digits` says by default.

    Raises:
        RanvierError: before anything runs: an option that means nothing here, no PyTorch or
            scikit-learn, or a folder that cannot be written.
    """
    began = time.perf_counter()
    refuse_meaningless(arguments)
    seed = arguments.seed or 0
    digits, torch = _needed()
    folder = Folder(arguments.out or Path("results") / f"{NAME}-seed{seed}")
    epochs = epochs or digits.EPOCHS
    reader, history = digits.learn(epochs=epochs, seed=seed, report=lambda epoch, so_far: _say(epoch, epochs, so_far))
    test = _test(reader, digits.load(seed), torch)
    parameters = {
        "name": NAME,
        "model": NAME,
        "source": SOURCE,
        "options": [],
        "seed": seed,
        "accuracy": history.accuracies[-1],
        "epochs": epochs,
        "hidden_neurons": test.spikes.shape[2],
        "steps": reader.steps,
        "training_images": len(digits.load(seed)[0]),
        "test_images": len(test.images),
        "history": {"loss": history.losses, "accuracy": history.accuracies, "spikes_per_neuron_and_step": history.rates},
        "versions": _versions(torch),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "train_seconds": round(history.seconds, 3),
    }
    folder.begin(parameters)
    figures = [] if arguments.no_plots else _draw(folder, pictures(history, test))
    wall = time.perf_counter() - began
    folder.note(wall_seconds=round(wall, 3))
    rows = _rows(history, test, wall)
    if figures:
        report.write(
            folder.file("report.html"),
            title=f"{TITLE}, seed {seed}",
            source=SOURCE,
            words=[WORDS.format(steps=reader.steps)],
            summary=rows,
            figures=figures,
            parameters=_parameter_rows(reader, parameters),
            files=[("parameters.json", "what ran, with which versions and seed, and loss and accuracy after every epoch")],
        )
    for name, value in [*rows, ("folder", str(folder.path))]:
        print(f"{name:17}  {value}")


def refuse_meaningless(arguments: argparse.Namespace) -> None:
    """Refuses options of other runs.

    Raises:
        ParameterError: one is given, or the seed is below 0.
    """
    for option, why in MEANINGLESS.items():
        value = getattr(arguments, option)
        if value not in (None, False):
            given = repr(value) if option == "folder" else f"--{option.replace('_', '-')}"
            raise ParameterError(f"{given} means nothing to {NAME}: {why}.")
    if arguments.seed is not None and arguments.seed < 0:
        raise ParameterError(f"--seed is {arguments.seed}, but it must be at least 0.")


def _needed() -> tuple[Any, Any]:
    """The example and PyTorch."""
    try:
        import sklearn  # noqa: F401
        import torch

        from ranvier.torch.examples import digits
    except ImportError as error:
        raise UnsupportedError(f"{NAME} needs PyTorch and scikit-learn ({error}): pip install 'ranvier[train]'") from error
    return digits, torch


def _say(epoch: int, epochs: int, history: History) -> None:
    if (epoch + 1) % 5 == 0 or epoch + 1 == epochs:
        print(f"epoch {epoch + 1:3} of {epochs}: loss {history.losses[-1]:.4f}, test accuracy {history.accuracies[-1]:.2%}", flush=True)


def _test(reader: DigitReader, data: Any, torch: Any) -> Test:
    import ranvier.torch as rt

    images, digits = data[2:]
    with torch.no_grad():
        spikes, states = rt.trace(reader.neurons, reader.currents(images))
        readouts = reader.potentials(spikes)
    return Test(*(tensor.numpy() for tensor in (images, digits, spikes, states.v, readouts)))


def _versions(torch: Any) -> dict[str, str]:
    import sklearn

    return {"python": platform.python_version(), "torch": torch.__version__, "scikit-learn": sklearn.__version__, "numpy": np.__version__}


def _rows(history: History, test: Test, wall: float) -> list[tuple[str, str]]:
    right = int((test.answers == test.digits).sum())
    per_image = test.spikes.sum() / len(test.images)
    return [
        ("test accuracy", f"{right / len(test.digits):.2%} ({right} of {len(test.digits)} images that it has not seen)"),
        ("epochs", str(len(history.losses))),
        ("spikes", f"{per_image:.0f} an image, of {test.spikes.shape[2]} neurons in {test.spikes.shape[0]} ms"),
        ("wall time", f"{history.seconds:.2f} s of training, {wall:.2f} s in all"),
    ]


def _parameter_rows(reader: DigitReader, parameters: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("network", f"64 pixels, {parameters['hidden_neurons']} × {reader.neurons!r}, 10 × {reader.readout!r}"),
        ("images", f"{parameters['training_images']} to learn from, {parameters['test_images']} for the test"),
        ("seed", str(parameters["seed"])),
        ("versions", ", ".join(f"{name} {version}" for name, version in parameters["versions"].items())),
    ]


# -- pictures ---------------------------------------------------------------------------------------


def pictures(history: History, test: Test) -> list[Picture]:
    """How it learnt, and what the network does with a few digits of the test set."""
    return [
        Picture(
            "learning-curves.png",
            "Learning",
            "Cross entropy of the training images; errors and mean spikes of a hidden neuron in a step, test images. After every epoch.",
            lambda: _learning(history),
        ),
        Picture(
            "raster-digits.png",
            "Digits and their spikes",
            "Above: images of the test set, with the answer. Below: each spike of the hidden neurons, which are in the order of their "
            "spikes for the image at the left.",
            lambda: _rasters(test),
        ),
        Picture(
            "membrane-hidden.png",
            "Hidden neurons",
            "Membrane potentials of hidden neurons, from one that fires seldom for that digit to one that fires often, with the threshold "
            "(dashed) and spikes (marks).",
            lambda: _hidden(test),
        ),
        Picture(
            "membrane-readout.png",
            "Readouts",
            "Membrane potentials of the ten readouts; that of the right digit is thick. The highest mean is the answer.",
            lambda: _readouts(test),
        ),
        Picture(
            "confusion.png",
            "Right and wrong",
            "How many test images of each digit (rows) are read as which (columns).",
            lambda: _confusion(test),
        ),
    ]


def _draw(folder: Folder, drawn: list[Picture]) -> list[tuple[str, str, Path]]:
    figures = []
    for picture in drawn:
        path = folder.file(picture.name)
        save(picture, path)
        figures.append((picture.heading, picture.caption, path))
    return figures


def _learning(history: History) -> Figure:
    from ranvier.plot.appearance import colour, loose_figure, panels, whole_numbers

    figure = loose_figure(7.0, 5.0)
    epochs = np.arange(1, len(history.losses) + 1)
    drawn: tuple[tuple[str, Any], ...] = (
        ("cross entropy", history.losses),
        ("errors (%)", 100 * (1 - np.array(history.accuracies))),
        ("spikes a step", history.rates),
    )
    axes = panels(figure, [1, 1, 1])
    for i, (ax, (label, values)) in enumerate(zip(axes, drawn, strict=True)):
        ax.plot(epochs, values, color=colour(i), marker="o" if len(epochs) < 3 else "")
        ax.set_ylabel(label)
    for ax in axes[:2]:
        ax.set_yscale("log")
    axes[1].set_yticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    axes[1].minorticks_off()
    axes[1].set_ylim(bottom=min(1.0, *axes[1].get_ylim()))
    axes[0].set_title("training images")
    axes[1].axhline(3.0, color="grey", linestyle="--", linewidth=0.8)
    axes[1].set_title(f"test images: {100 * history.accuracies[-1]:.1f} % right in the end (dashed: 97 %)")
    axes[2].set_xlabel("epoch")
    whole_numbers(axes[2].xaxis)
    return figure


def _grid(rows: int, heights: list[float], height: float) -> tuple[Figure, np.ndarray]:
    from ranvier.plot.appearance import loose_figure, style

    figure = loose_figure(8.0, height)
    with style():
        axes = figure.subplots(rows, SHOWN, sharey="row", squeeze=False, height_ratios=heights)
    return figure, axes


def _image(ax: Any, test: Test, which: int) -> None:
    ax.imshow(test.images[which].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    ax.axis("off")
    ax.set_title(f"a {test.digits[which]}, read as {test.answers[which]}")


def _rasters(test: Test) -> Figure:
    figure, axes = _grid(2, [1, 2.2], 5.5)
    order = np.argsort(-test.spikes[:, test.shown[0]].sum(axis=0), kind="stable")
    for column, which in enumerate(test.shown):
        _image(axes[0, column], test, which)
        times, neurons = np.nonzero(test.spikes[:, which][:, order])
        axes[1, column].plot(times, neurons, "|", color="black", markersize=2.5, markeredgewidth=0.8)
        axes[1, column].set(xlabel="time (ms)", xlim=(-0.5, len(test.spikes) - 0.5))
    axes[1, 0].set_ylabel("hidden neuron")
    return figure


def _hidden(test: Test) -> Figure:
    from ranvier.plot.appearance import colour

    figure, axes = _grid(NEURONS, [1.0] * NEURONS, 6.0)
    times = np.arange(1, len(test.spikes) + 1)  # the state after a step
    for column, which in enumerate(test.shown):
        counts = test.spikes[:, which].sum(axis=0)
        firing = np.argsort(counts, kind="stable")[np.count_nonzero(counts == 0) :]
        chosen = firing[np.linspace(0, 0.8 * (len(firing) - 1), NEURONS).astype(int)] if len(firing) else np.arange(NEURONS)
        for ax, neuron in zip(axes[:, column], chosen, strict=True):
            ax.plot(times, test.potentials[:, which, neuron], color=colour(column))
            ax.axhline(1.0, color="grey", linestyle="--", linewidth=0.8)
            fired = times[test.spikes[:, which, neuron] > 0]
            ax.plot(fired, np.full(len(fired), 1.15), "|", color="black", markersize=5)
            ax.set_title(f"neuron {neuron}", fontsize="small")
        axes[0, column].set_title(f"a {test.digits[which]}: neuron {chosen[0]}", fontsize="small")
        axes[-1, column].set_xlabel("time (ms)")
    for ax in axes[:, 0]:
        ax.set_ylabel("V")
    for ax in axes[:-1].flat:
        ax.tick_params(labelbottom=False)
    return figure


def _readouts(test: Test) -> Figure:
    from ranvier.plot.appearance import colour

    figure, axes = _grid(2, [1, 2.2], 4.5)
    times = np.arange(1, len(test.spikes) + 1)
    for column, which in enumerate(test.shown):
        _image(axes[0, column], test, which)
        ax = axes[1, column]
        for digit in range(10):
            right = digit == test.digits[which]
            ax.plot(times, test.readouts[:, which, digit], color=colour(0) if right else "#BBBBBB", linewidth=2.2 if right else 0.9)
        ax.set_xlabel("time (ms)")
    axes[1, 0].set_ylabel("readout's V")
    return figure


def _confusion(test: Test) -> Figure:
    from ranvier.plot.appearance import loose_figure, style

    counts = np.zeros((10, 10), int)
    np.add.at(counts, (test.digits, test.answers), 1)
    figure = loose_figure(5.0, 5.0)
    with style():
        ax = figure.add_subplot()
    ax.imshow(counts, cmap="Blues")
    for row, column in zip(*np.nonzero(counts), strict=True):
        many = counts[row, column] > counts.max() / 2
        ax.text(column, row, str(counts[row, column]), ha="center", va="center", color="white" if many else "black", fontsize="small")
    ax.set(xlabel="read as", ylabel="digit", xticks=range(10), yticks=range(10))
    return figure
