"""Sortable ids."""

from types import SimpleNamespace

import pytest

from inglenook.kit.ids import new_id


def test_ids_are_unique_and_sort_by_creation() -> None:
    ids = [new_id("run") for _ in range(5000)]
    assert ids == sorted(set(ids))
    assert all(i.startswith("run_") and len(i) == 30 for i in ids)


def test_ids_go_on_growing_when_a_millisecond_is_full_or_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([2_000_000, 2_000_000, 1_000_000, 1_000_000, 3_000_000])
    monkeypatch.setattr("inglenook.kit.ids._ms", 0)
    monkeypatch.setattr("inglenook.kit.ids.time", SimpleNamespace(time_ns=lambda: next(clock) * 1_000_000))
    made = [new_id("run"), new_id("run")]
    monkeypatch.setattr("inglenook.kit.ids._tail", (1 << 20) - 1)
    made += [new_id("run"), new_id("run"), new_id("run")]
    assert made == sorted(set(made))
