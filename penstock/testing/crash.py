"""The error of the test kit: scripted, and nobody's mistake."""


class Crash(Exception):
    """An error that a test asked for: raised by a ``ScriptedSource`` that comes to it, and by ``FaultPoints``."""

    def __init__(self, message: str = "scripted crash") -> None:
        super().__init__(message)
