"""Commands: what one process asks of another through the store, and answers as rows hold them."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from penstock.runtime.errors import CommandFailed, CommandUnanswered, LetterNotFound

Verb = Literal["letters.replay", "letters.discard", "reactors.fire", "reactors.pause", "reactors.resume"]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be done by the process that serves the store."""

    verb: Verb
    #: The number of a dead letter, the name of a reactor.
    target: str
    arguments: Mapping[str, object] = {}

    @property
    def words(self) -> str:
        """What it is, for people: ``letters.replay 3``."""
        return f"{self.verb} {self.target}"


class Fault(msgspec.Struct, frozen=True):
    """Why something was not done."""

    #: The name of the error's class.
    kind: str
    text: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a command."""

    result: object = None
    fault: Fault | None = None

    def take(self, command: Command) -> object:
        """Return the result.

        Raises:
            LetterNotFound: The command was about a dead letter that is not there.
            CommandFailed: It could not be done.
        """
        if self.fault is None:
            return self.result

        if self.fault.kind == LetterNotFound.__name__:
            raise LetterNotFound(int(command.target))

        raise CommandFailed(command.words, self.fault.kind, self.fault.text)


#: The answer to a command that was found when nobody waited any more.
EXPIRED = Answer(fault=Fault(CommandUnanswered.__name__, "it was found when nobody waited for an answer any more"))
