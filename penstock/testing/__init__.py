"""The test kit: a virtual clock, a scripted source, fault points, and a temporary app that has them all.

    async with open_test_app([maker, settle]) as test:
        await test.app.push(orders, Order(3.0))
        await test.advance(60.0)

Time stands still unless a test moves it, and moves only when everything, the store included, has come to rest.
"""

from penstock.testing.app import AppUnderTest as AppUnderTest, open_test_app as open_test_app
from penstock.testing.clock import VirtualClock as VirtualClock
from penstock.testing.crash import Crash as Crash
from penstock.testing.faults import Fault as Fault, FaultPoints as FaultPoints
from penstock.testing.source import End as End, Pause as Pause, ScriptedSource as ScriptedSource

__all__ = [
    "AppUnderTest",
    "Crash",
    "End",
    "Fault",
    "FaultPoints",
    "Pause",
    "ScriptedSource",
    "VirtualClock",
    "open_test_app",
]
