"""Functions that another process can import."""

import os
import threading

import msgspec


class Sum(msgspec.Struct, frozen=True):
    of: int
    process: int


class Odd(Exception):
    """An error that can be written and not read."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


def add_up(x: int) -> Sum:
    return Sum(sum(range(x + 1)), os.getpid())


def divide(x: int) -> float:
    return 1 / x


def odd(x: int) -> None:
    raise Odd("one", "two")


def lock(x: int) -> object:
    return threading.Lock()


def die(x: int) -> None:
    os._exit(x)


def hang(x: int) -> None:
    threading.Event().wait()


def replaced(x: int) -> int:
    return x


original = replaced


def replaced(x: int) -> int:
    return -x
