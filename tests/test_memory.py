import pytest

import ranvier as rv
from ranvier import memory


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    """What is left of it; what files take can be had back."""
    contents = {"memory.max": "1000", "memory.current": "700\n", "memory.stat": "anon 500\ninactive_file 100\n"}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    assert memory._of_container(tmp_path) == 400
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._of_container(tmp_path) is None
    assert memory._of_container(tmp_path / "none") is None


def test_what_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2.0 * 2**30)
    memory.require_memory(1.7 * 2**30, "It", "Take less.")
    with pytest.raises(rv.ParameterError, match=r"It would take 1.9 GiB, and 2.0 GiB of memory are free. Take less."):
        memory.require_memory(1.9 * 2**30, "It", "Take less.")


def test_what_is_free_is_less_than_all_there_is():
    import psutil

    assert 0 < memory.available_memory() <= psutil.virtual_memory().total
