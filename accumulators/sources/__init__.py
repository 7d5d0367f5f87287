"""Ready-made sources: memory, async iterators, Observables, lines of a file or a process.

Each is one file and one class that keeps the contract of ``penstock.accumulators.source``. A *replayable* source has a
position for each event and goes on behind the last committed one; the others give no positions, and say so.
"""

from penstock.accumulators.sources.iterator import FromIterator as FromIterator
from penstock.accumulators.sources.lines import Lines as Lines
from penstock.accumulators.sources.memory import Memory as Memory
from penstock.accumulators.sources.observable import FromObservable as FromObservable
from penstock.accumulators.sources.process import Process as Process

__all__ = ["FromIterator", "FromObservable", "Lines", "Memory", "Process"]
