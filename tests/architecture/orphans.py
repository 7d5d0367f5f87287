"""Kills a process of tests that has started a server, and sees that the server and its folder are gone."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: When it dies: before the server is ready, or while it serves.
MOMENTS = ("early", "late")
PROGRAM = """
import importlib, os, signal, sys

server = getattr(importlib.import_module(sys.argv[1]), sys.argv[2])()

def die(process):
    print(server.folder, process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[3] == "early":
    server._wait_until_ready = die

server.start()
print(server.folder, server.process.pid, flush=True)
sys.stdin.read()
"""


def check_that_it_ends_with_the_tests(module: str, name: str, moment: str) -> None:
    """Let a process start a server, and kill it."""
    command = [sys.executable, "-c", PROGRAM, module, name, moment]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        folder, number = tests.stdout.readline().split()
        assert Path(folder).exists()
        tests.send_signal(signal.SIGKILL)

    waiting = Event()
    while Path(folder).exists():  # as long as the time limit of the test
        waiting.wait(0.05)

    with pytest.raises(ProcessLookupError):
        os.kill(int(number), 0)
