"""The context: the mapping of JSON values that goes along the edges of a workflow."""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Self, TypeVar

import msgspec
from typing_extensions import override

from penstock.runtime.errors import DecodeError
from penstock.workflows.values import PLAIN, json_key, json_value, mapping_from_text, to_text

T = TypeVar("T")


class Context(MutableMapping[str, object]):
    """What a task reads and writes: a mapping from text keys to JSON values.

    Every task gets a copy of its own; what it sets and deletes is what it hands on. A value is checked and copied when
    it is set: structs and dataclasses become mappings, a set or ``NaN`` is refused (``TypeError``, ``ValueError``).
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object] | None = None) -> None:
        self._values: dict[str, object] = {}
        self.update(values or {})

    @classmethod
    def adopt(cls, values: dict[str, object]) -> Self:
        """Make a context of checked values that nobody else holds, without a look at them."""
        context = cls.__new__(cls)
        context._values = values  # noqa: SLF001 - its own
        return context

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make a context of a JSON object.

        Raises:
            DecodeError: The text is not a JSON object.
        """
        try:
            return cls.adopt(mapping_from_text(text))
        except msgspec.DecodeError as error:
            raise DecodeError("context", "a JSON object", str(error)) from error

    def peek(self) -> dict[str, object]:
        """Return the values themselves, for whoever only compares: in-place changes have not been checked."""
        return self._values

    def to_json(self) -> str:
        """Return the context as JSON text."""
        return to_text(self.to_dict())

    def to_dict(self) -> dict[str, object]:
        """Return a copy of the values as plain dicts and lists."""
        return {key: json_value(value, f"context[{key!r}]") for key, value in self._values.items()}

    @override
    def __getitem__(self, key: str) -> object:
        return self._values[key]

    @override
    def __setitem__(self, key: str, value: object) -> None:
        key = json_key(key, "context")
        # the text that says where is only made when it may be needed
        self._values[key] = value if type(value) in PLAIN else json_value(value, f"context[{key!r}]")

    @override
    def __delitem__(self, key: str) -> None:
        del self._values[key]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    @override
    def __len__(self) -> int:
        return len(self._values)

    @override
    def __repr__(self) -> str:
        return f"Context({self._values!r})"

    def insert(self, key: str, value: object) -> None:
        """Set a key that must be new.

        Raises:
            KeyError: The key is there; its value is unchanged.
        """
        if key in self._values:
            raise KeyError(f"{key!r} is in the context already; context[{key!r}] = … replaces it")

        self[key] = value

    def replace(self, key: str, value: object) -> None:
        """Set a key that must be there.

        Raises:
            KeyError: The key is missing; nothing is set.
        """
        if key not in self._values:
            raise KeyError(f"{key!r} is not in the context; context[{key!r}] = … sets it")

        self[key] = value

    def remove(self, key: str) -> object:
        """Delete a key and return its value, or ``None`` when it was missing."""
        return self._values.pop(key, None)

    def require(self, key: str, type_: type[T]) -> T:
        """Return a value decoded to a type.

        Raises:
            KeyError: The key is missing.
            DecodeError: The value does not have the type.
        """
        try:
            return msgspec.convert(self._values[key], type_)
        except msgspec.ValidationError as error:
            raise DecodeError(f"context[{key!r}]", getattr(type_, "__name__", str(type_)), str(error)) from error

    def get_as(self, key: str, type_: type[T]) -> T | None:
        """Return a value decoded to a type, or ``None`` when the key is missing.

        Raises:
            DecodeError: The value does not have the type.
        """
        return self.require(key, type_) if key in self._values else None
