"""A shortened training on the digits, and the command that trains, end to end."""

import json
import sys

import numpy as np
import pytest
import torch

import ranvier.torch as rt
from ranvier.cli import _parser, main, train_digits
from ranvier.cli.folder import MADE
from ranvier.torch import fused
from ranvier.torch.examples import digits
from ranvier.torch.examples.training import accuracy, one_thread, train


def test_the_split_is_stratified_and_of_the_seed():
    train_images, train_digits_, test_images, test_digits = digits.load(3)
    assert train_images.shape == (1437, 64) and test_images.shape == (360, 64)
    assert train_images.min() >= 0 and train_images.max() == 1
    shares = torch.bincount(train_digits_) / len(train_digits_) - torch.bincount(test_digits) / len(test_digits)
    assert shares.abs().max() < 0.005
    assert torch.equal(digits.load(3)[2], test_images) and not torch.equal(digits.load(4)[2], test_images)


def test_a_few_epochs_learn_most_and_a_seed_is_repeated():
    drawn = torch.random.get_rng_state()
    reader, history = digits.learn(hidden=100, epochs=12, seed=1)
    assert torch.equal(torch.random.get_rng_state(), drawn)  # the caller's draws stay the caller's
    assert history.accuracies[-1] > 0.92
    assert history.losses[-1] < 0.2 * history.losses[0]
    assert 0.01 < history.rates[-1] < 0.9
    right, rate = accuracy(reader, *digits.load(1)[2:])
    assert (right, rate) == (history.accuracies[-1], history.rates[-1])
    assert digits.learn(hidden=20, epochs=1, seed=1)[1].losses == digits.learn(hidden=20, epochs=1, seed=1)[1].losses


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fused_layers_learn_as_the_reference_does_epoch_by_epoch(dtype):
    pictures = [part.to(dtype) if part.is_floating_point() else part for part in digits.load(2)]
    if (reason := fused.unsupported(pictures[0], rt.LIFState(pictures[0][0]), decay=0.5, gain=0.5)) is not None:
        pytest.skip(reason)
    found, usual = {}, torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        for backend in ("fused", "reference"):
            torch.manual_seed(2)
            reader = digits.DigitReader(hidden=40)
            reader.neurons.backend = backend
            with one_thread():
                found[backend] = train(reader, pictures, epochs=4, seed=2)
    finally:
        torch.set_default_dtype(usual)
    ours, wanted = found["fused"], found["reference"]
    assert wanted.accuracies[-1] > 0.7
    if dtype == torch.float64:
        assert ours.accuracies == wanted.accuracies and ours.rates == wanted.rates
        np.testing.assert_allclose(ours.losses, wanted.losses, rtol=1e-9)  # gradients are summed in another order
    else:
        np.testing.assert_allclose(ours.accuracies, wanted.accuracies, atol=2 / 360)  # rounding may move a spike, and so an answer


def test_only_what_is_learnt_from_is_distorted():
    images = digits.load()[0][:50]
    reader = digits.DigitReader(hidden=30)
    assert torch.equal(reader.eval()(images)[0], reader(images)[0])
    assert not torch.equal(reader.train()(images)[0], reader(images)[0])
    mass = digits.distorted(images).sum() / images.sum()
    assert 0.9 < mass < 1.1  # turned, stretched and shifted, not faded


def test_the_command_end_to_end(tmp_path, capsys):
    folder = tmp_path / "out"
    train_digits.run(_parser().parse_args(["run", "train-digits", "--seed", "2", "--out", str(folder)]), epochs=2)
    assert "test accuracy" in capsys.readouterr().out
    written = json.loads((folder / "parameters.json").read_text())
    assert written["seed"] == 2 and len(written["history"]["accuracy"]) == len(written["history"]["loss"]) == 2
    assert written["accuracy"] == written["history"]["accuracy"][-1] > 0.3
    assert sorted(written["files"]) == sorted(path.name for path in folder.iterdir())
    assert all(MADE.match(name) for name in written["files"])
    names = {"learning-curves.png", "raster-digits.png", "membrane-hidden.png", "membrane-readout.png", "confusion.png"}
    assert names <= set(written["files"])
    report = (folder / "report.html").read_text()
    assert report.count("<img") == len(names) and "http" not in report.replace("http-equiv", "")


def test_what_is_drawn_is_what_the_network_does():
    reader, history = digits.learn(hidden=20, epochs=1)
    data = digits.load()
    test = train_digits._test(reader, data, torch)
    assert np.mean(test.answers == test.digits) == pytest.approx(history.accuracies[-1])
    assert list(test.digits[test.shown]) == [0, 1, 2, 3]
    assert test.spikes.shape == test.potentials.shape == (16, 360, 20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dt", "0.1"], "--dt means nothing to train-digits"),
        (["--no-gaba"], "--no-gaba means nothing"),
        (["--store", "a"], "--store means nothing"),
        (["--precision", "single"], "--precision means nothing"),
        (["there"], "'there' means nothing"),
        (["--seed", "-1"], "--seed is -1"),
    ],
)
def test_options_of_other_runs_are_refused(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "train-digits", *options]) == 1
    assert message in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_what_is_missing_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert main(["run", "train-digits"]) == 1
    assert "pip install 'ranvier[train]'" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"ranvier\[train\]"):
        digits.load()
