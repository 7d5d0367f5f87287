"""Which names and keys there may be: those that every database keeps.

PostgreSQL takes no NUL in a text, no database takes half a surrogate pair, and PostgreSQL gives an entry of an index,
which holds a key and the names of what it belongs to, no more than 2704 bytes. SQLite would keep some of that, but an
app does the same on both. So a name is refused where it is declared and a key where it is given, before a row holds
it: a row that cannot be written would keep its neighbours from being written, too.

A text that is only to be read by people, such as that of an error, is never refused: ``foreign.storable`` escapes it.
"""

import re

#: In bytes of UTF-8.
LONGEST_NAME, LONGEST_KEY = 200, 2000
#: What a key is, for the messages of those who refuse one.
KEY = f"text of at most {LONGEST_KEY} bytes that is valid Unicode without NUL"

_NAME = re.compile(r"[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?")


def is_text(value: object) -> bool:
    """Tell whether a value is text that every database keeps."""
    return type(value) is str and n_bytes(value) is not None


def is_key(value: object) -> bool:
    """Tell whether a value is text that every database keeps in its indexes."""
    size = n_bytes(value) if type(value) is str else None
    return size is not None and size <= LONGEST_KEY


def name_problem(name: object) -> str | None:
    """Return what is wrong with the name of a part: it goes into the store, metrics and commands."""
    if not isinstance(name, str):
        return f"{name!r} is no text"

    size = n_bytes(name)
    if size is not None and size <= LONGEST_NAME and _NAME.fullmatch(name):
        return None

    return f"{name!r} is no name: 1 to {LONGEST_NAME} bytes of printable characters, no space around them"


def n_bytes(text: str) -> int | None:
    """Return how many bytes a database keeps for a text; nothing when one of them cannot keep it."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return None

    return None if "\0" in text else size
