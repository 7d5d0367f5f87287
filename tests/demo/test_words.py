import pytest

from penstock.demo.words import duration, plural, quantity, size


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (12.345, "%", "12.3 %"),
        (98.7, "% of a core", "98.7 % of a core"),
        (3 * 2**20, "B/s", "3.0 MiB/s"),
        (0.0, "B/s", "0 B/s"),
    ],
)
def test_quantity_has_its_unit(value: float, unit: str, words: str) -> None:
    assert quantity(value, unit) == words


def test_sizes_use_the_largest_unit_that_fits() -> None:
    assert [size(512), size(1536), size(200 * 2**30), size(5000 * 2**40)] == ["512 B", "1.5 KiB", "200 GiB", "5000 TiB"]


def test_durations_use_the_unit_that_suits() -> None:
    assert [duration(None), duration(86e-6), duration(0.0123), duration(2.5)] == ["–", "86.0 µs", "12.3 ms", "2.5 s"]


def test_one_is_not_many() -> None:
    assert [plural(0, "run"), plural(1, "run"), plural(1200, "run")] == ["0 runs", "1 run", "1,200 runs"]
