"""Spiking neurons that learn to read digits while a page looks on: `ranvier run train-digits`, epoch by epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier.errors import ParameterError, UnsupportedError
from ranvier.lab.server.live import Live
from ranvier.lab.server.networks import checked_seed

NAME = "train-digits"
MOST_EPOCHS = 400
SHOWN = 4  # digits whose spikes are drawn


class _Stopped(Exception):
    """The page wants no more."""


class Training(Live):
    """Trains in a thread. After each epoch `news` has loss and accuracy, the spikes of a few test images, and what is read as what.

    Args:
        epochs: how often each image is learnt from.
        seed: of the split, the first weights and the order.

    Raises:
        ParameterError: a number is none; too many run already.
        UnsupportedError: PyTorch or scikit-learn is not installed.
    """

    def __init__(self, epochs: Any = None, seed: Any = 0):
        seed = checked_seed(seed)
        try:
            import sklearn  # noqa: F401
            import torch  # noqa: F401

            from ranvier.torch.examples import digits
        except ImportError as error:
            raise UnsupportedError(f"Training needs PyTorch and scikit-learn ({error}): pip install 'ranvier[train]'.") from error
        epochs = digits.EPOCHS if epochs is None else epochs
        if isinstance(epochs, bool) or not isinstance(epochs, int) or not 0 < epochs <= MOST_EPOCHS:
            raise ParameterError(f"epochs must be a whole number from 1 to {MOST_EPOCHS}, not {epochs!r}.")
        super().__init__(NAME)
        self._digits, self._epochs, self._seed = digits, epochs, seed

    def step(self, duration: Any) -> None:
        raise ParameterError("Training goes epoch by epoch. Pause and resume it.")

    def set(self, name: Any, value: Any) -> None:
        raise ParameterError("Training has no parameters that change while it goes on.")

    def _loop(self) -> None:
        import torch

        from ranvier.torch.examples.training import one_thread, train

        digits = self._digits
        with one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            reader, data = digits.DigitReader(), digits.load(self._seed)
            images, truth = data[2], data[3].numpy()
            shown = [int(np.flatnonzero(truth == digit)[0]) for digit in range(SHOWN)]
            self._tell({"training": {"epochs": self._epochs, "images": len(data[0]), "tests": len(truth), "hidden": digits.HIDDEN}})
            self._say("running")

            def report(epoch: int, history: Any) -> None:
                learning = reader.training
                reader.eval()
                with torch.no_grad():
                    scores, spikes = reader(images)
                reader.train(learning)
                answers, fired = scores.argmax(1).numpy(), spikes.numpy()
                confusion = np.zeros((10, 10), int)
                np.add.at(confusion, (truth, answers), 1)
                pictures = [
                    {
                        "pixels": [round(float(x), 3) for x in images[which]],
                        "digit": int(truth[which]),
                        "answer": int(answers[which]),
                        "spikes": [part.tolist() for part in np.nonzero(fired[:, which] > 0)],
                    }
                    for which in shown
                ]
                self._tell(
                    {
                        "epoch": epoch + 1,
                        "loss": float(history.losses[-1]),
                        "accuracy": float(history.accuracies[-1]),
                        "rate": float(history.rates[-1]),
                        "confusion": confusion.tolist(),
                        "pictures": pictures,
                        "steps": reader.steps,
                    }
                )
                self._go.wait()
                if self._ended:
                    raise _Stopped
                self._say("running", epoch=epoch + 1)

            try:
                train(reader, data, epochs=self._epochs, seed=self._seed, report=report)
                self._say("complete")
            except _Stopped:
                return
