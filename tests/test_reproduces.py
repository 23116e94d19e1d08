"""The record of reproductions asserts, and writes only when asked to."""

import json

import pytest

from tests import reproduces
from tests.reproduces import record_reproduction


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduces, "FILE", tmp_path / "docs" / "reproduces.json")
    return reproduces.FILE


def test_it_asserts(file):
    record_reproduction("A", "paper", "rate", 10.0, 10.4, 0.5, "Hz")
    with pytest.raises(AssertionError, match=r"off by 0\.6, allowed 0\.5"):
        record_reproduction("A", "paper", "rate", 10.0, 10.6, 0.5, "Hz")
    with pytest.raises(AssertionError):
        record_reproduction("A", "paper", "rate", 10.0, float("nan"), 0.5)
    with pytest.raises(AssertionError, match=r"\(3,\) values were measured"):
        record_reproduction("A", "paper", "times", [1.0, 2.0], [1.0, 2.0, 3.0], 0.5)


def test_it_writes_only_when_asked(file, monkeypatch):
    monkeypatch.delenv(reproduces.SWITCH, raising=False)
    record_reproduction("A", "paper", "rate", 10.0, 10.4, 0.5)
    assert not file.exists()
    monkeypatch.setenv(reproduces.SWITCH, "1")
    for measured in (10.4, 10.2):
        record_reproduction("A", "paper", "rate", 10.0, measured, 0.5, "Hz")
    record_reproduction("A", "paper", "counts", [1, 2], [1, 2], 0)
    assert [(e["what"], e["measured"]) for e in json.loads(file.read_text())] == [("counts", [1.0, 2.0]), ("rate", 10.2)]
