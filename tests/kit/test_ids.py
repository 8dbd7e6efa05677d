"""Sortable ids."""

from inglenook.kit.ids import new_id


def test_ids_are_unique_and_sort_by_creation() -> None:
    ids = [new_id("run") for _ in range(5000)]
    assert ids == sorted(set(ids))
    assert all(i.startswith("run_") and len(i) == 30 for i in ids)
