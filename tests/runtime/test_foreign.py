import asyncio
from collections.abc import Callable

import pytest

from penstock.runtime.foreign import LONGEST, error_text, is_failure, value_text


class Broken(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def test_an_error_is_its_class_and_its_sentence() -> None:
    assert error_text(ValueError("no such order")) == "ValueError: no such order"
    assert error_text(ValueError()) == "ValueError"


def test_an_error_without_a_text_has_one() -> None:
    assert error_text(Broken()) == "Broken: <its text cannot be shown: RuntimeError>"
    assert value_text(Broken()) == "<Broken that cannot be shown: RuntimeError>"


class Exiting(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)

    __repr__ = __str__


def test_a_text_that_ends_the_process_is_not_let_out() -> None:
    assert error_text(Exiting()) == "Exiting: <its text cannot be shown: SystemExit>"
    assert value_text(Exiting()) == "<Exiting that cannot be shown: SystemExit>"


class Interrupting(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


@pytest.mark.parametrize("show", [error_text, value_text])
def test_the_end_of_the_process_is_not_held_up_by_a_text(show: Callable[[Exception], str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        show(Interrupting())


class Quiet:
    def __repr__(self) -> str:
        return "quiet\0"


def test_text_that_no_store_takes_is_escaped() -> None:
    assert error_text(ValueError("a\udcffb")) == "ValueError: a\\udcffb"
    assert value_text("\ud800") == "'\\ud800'"
    assert error_text(ValueError("a\0b")) == "ValueError: a\\x00b"
    assert value_text(Quiet()) == "quiet\\x00"
    assert len(error_text(ValueError("x" * 100_000))) == LONGEST + len("ValueError: ")


async def test_a_cancellation_that_nobody_asked_for_is_a_failure() -> None:
    assert is_failure(asyncio.CancelledError())
    assert is_failure(ValueError())
    assert is_failure(SystemExit())
    assert not is_failure(KeyboardInterrupt())


async def test_a_cancellation_that_was_asked_for_is_not() -> None:
    answers: list[bool] = []

    async def body() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError as error:
            answers.append(is_failure(error))
            raise

    task = asyncio.get_running_loop().create_task(body())
    await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
    task.cancel()
    await asyncio.wait([task])
    assert answers == [False]
