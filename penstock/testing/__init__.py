"""The public test kit: a virtual clock, scripted sources and apps that live as long as a test."""

from penstock.testing.clock import VirtualClock as VirtualClock
from penstock.testing.crash import Crash as Crash
from penstock.testing.faults import FaultPoints as FaultPoints
from penstock.testing.source import End as End, Pause as Pause, ScriptedSource as ScriptedSource

__all__ = ["Crash", "End", "FaultPoints", "Pause", "ScriptedSource", "VirtualClock"]
