"""Every file obeys the rules of the house, and every rule can be broken."""

import ast
from itertools import chain

import pytest

from tests.architecture import rules
from tests.architecture.rules import CODE_RULES, Check
from tests.architecture.source import LAYERS, ROOT, imports, python_files, tree

#: One worker parses the files for all of them.
pytestmark = pytest.mark.xdist_group("rules")
CODE = python_files(*LAYERS)
OTHERS = python_files("tests", "examples", "benchmarks", "scripts")


@pytest.mark.parametrize("rule", CODE_RULES, ids=lambda rule: rule.__name__)
def test_every_file_obeys(rule: Check) -> None:
    assert [(file, problem) for file in CODE for problem in rule(file, tree(file))] == []


def test_rows_name_files_that_exist() -> None:
    rows = [*rules.READS_TIME, *rules.MEASURES, *rules.WAITS_IN_THREADS, *rules.STARTS_TASKS, *rules.CATCHES_ALL]
    rows += [*rules.OWN_EXCEPTIONS, *rules.PURE, *chain(*rules.ONE_IMPORTER.values())]
    assert [row for row in rows if not (ROOT / row).exists()] == []


@pytest.mark.parametrize("library", rules.ONE_IMPORTER)
def test_importer_of_a_library_imports_it(library: str) -> None:
    rows = dict.fromkeys(rules.ONE_IMPORTER[library], "it is the importer")
    names = [name for file in CODE if rules.listed(file, rows) for _, name in imports(tree(file))]
    assert library in {name.partition(".")[0] for name in names}


def test_imports_are_absolute_in_tests_and_tools() -> None:
    assert [(file, problem) for file in OTHERS for problem in rules.absolute(file, tree(file))] == []


#: Rule, file, code: one violation each.
PLANTED = [
    (rules.layers, "runtime/x.py", "from penstock.graphs.node import Node"),
    (rules.layers, "runtime/x.py", "import penstock.workflows"),
    (rules.layers, "accumulators/x.py", "from penstock.reactors import firing"),
    (rules.layers, "graphs/x.py", "from penstock.accumulators.boundary import Boundary"),
    (rules.layers, "graphs/x.py", "def f():\n    from penstock.app import App"),
    (rules.layers, "workflows/x.py", "import penstock"),
    (rules.layers, "workflows/x.py", "from penstock import App"),
    (rules.layers, "accumulators/x.py", "from penstock.runtime import PenstockError"),
    (rules.one_importer, "graphs/x.py", "import sqlalchemy as sa"),
    (rules.one_importer, "runtime/clock.py", "from sqlite3 import connect"),
    (rules.one_importer, "runtime/x.py", "import prometheus_client.registry"),
    (rules.one_importer, "penstock/app.py", "from rich import print"),
    (rules.one_importer, "penstock/app.py", "import numpy"),
    (rules.absolute, "graphs/x.py", "from . import node"),
    (rules.absolute, "graphs/x.py", "from .node import Node"),
    (rules.absolute, "tests/x.py", "import graphs"),
    (rules.absolute, "tests/x.py", "from runtime.store.schema import metadata"),
    (rules.time, "graphs/x.py", "import time\nnow = time.time()"),
    (rules.time, "graphs/x.py", "import time as t\nclock = t.monotonic"),
    (rules.time, "graphs/x.py", "from time import monotonic_ns as now\nnow()"),
    (rules.time, "graphs/x.py", "from datetime import UTC, datetime\ndatetime.now(UTC)"),
    (rules.time, "graphs/x.py", "import datetime as dt\ndt.datetime.now(dt.UTC)"),
    (rules.time, "graphs/x.py", "import asyncio\nasync def f():\n    await asyncio.sleep(1)"),
    (rules.time, "graphs/x.py", "from anyio import sleep\nasync def f():\n    await sleep(1)"),
    (rules.time, "graphs/x.py", "import anyio\nwith anyio.move_on_after(1): ..."),
    (rules.time, "graphs/x.py", "loop.call_later(1, f)"),
    (rules.time, "graphs/x.py", "self.loop.call_at(1, f)"),
    (rules.time, "graphs/x.py", "self._loop.time()"),
    (rules.time, "graphs/x.py", "import asyncio\nasyncio.get_running_loop().time()"),
    (rules.time, "graphs/x.py", "import time\ntime.perf_counter_ns()"),
    (rules.time, "graphs/x.py", "event.wait(1.0)"),
    (rules.time, "graphs/x.py", "thread.join(timeout=1.0)"),
    (rules.time, "graphs/x.py", "queue.get(timeout=1.0)"),
    (rules.tasks, "graphs/x.py", "import asyncio\nasyncio.create_task(f())"),
    (rules.tasks, "graphs/x.py", "from asyncio import ensure_future\nensure_future(f())"),
    (rules.tasks, "penstock/app.py", "loop.create_task(f())"),
    (rules.catch_all, "graphs/x.py", "try: ...\nexcept Exception: ..."),
    (rules.catch_all, "graphs/x.py", "try: ...\nexcept (ValueError, BaseException): ..."),
    (rules.catch_all, "graphs/x.py", "try: ...\nexcept: ..."),
    (rules.catch_all, "graphs/x.py", "import contextlib\nwith contextlib.suppress(Exception): ..."),
    (rules.error_classes, "graphs/x.py", "class Bad(Exception): ..."),
    (rules.error_classes, "graphs/x.py", "class Bad(errors.PenstockError): ..."),
    (rules.pure, "workflows/planner.py", "import asyncio"),
    (rules.pure, "workflows/planner.py", "from penstock.runtime.store.runs import load"),
]

#: Rule, file, code: nothing wrong with it.
CLEAN = [
    (rules.layers, "workflows/x.py", "from penstock.runtime.errors import PenstockError"),
    (rules.layers, "workflows/x.py", "from penstock.runtime import errors"),
    (rules.layers, "penstock/app.py", "from penstock.runtime import PenstockError"),
    (rules.layers, "runtime/x.py", "import penstockish"),
    (rules.one_importer, "runtime/store/schema.py", "import sqlalchemy as sa"),
    (rules.one_importer, "penstock/cli/main.py", "from rich.table import Table"),
    (rules.one_importer, "graphs/x.py", "import json, msgspec\nfrom penstock.runtime import errors"),
    (rules.absolute, "graphs/x.py", "from penstock.graphs.node import Node"),
    (
        rules.time,
        "graphs/x.py",
        "self.clock.time()\nself.clock.now()\n','.join(names)\nmapping.get(key, 1)\nevent.wait()",
    ),
    (rules.time, "graphs/x.py", "import asyncio\nasync def f():\n    await asyncio.wait({task})"),
    (rules.time, "runtime/clock.py", "import time\ntime.time()"),
    (rules.time, "runtime/store/writer.py", "import time\ntime.perf_counter_ns()\nself.thread.join(timeout=5.0)"),
    (rules.tasks, "runtime/supervise.py", "import asyncio\nasyncio.create_task(f())"),
    (rules.tasks, "graphs/x.py", "group.start_soon(f)"),
    (rules.catch_all, "runtime/supervise.py", "try: ...\nexcept Exception: ..."),
    (rules.catch_all, "graphs/x.py", "try: ...\nexcept* ValueError: ..."),
    (rules.error_classes, "penstock/testing/source.py", "class Crash(BaseException): ..."),
    (rules.pure, "workflows/worker.py", "import asyncio"),
]


@pytest.mark.parametrize(("rule", "file", "code"), PLANTED)
def test_planted_violation_is_found(rule: Check, file: str, code: str) -> None:
    assert len(list(rule(file, ast.parse(code)))) == 1


@pytest.mark.parametrize(("rule", "file", "code"), CLEAN)
def test_clean_code_passes(rule: Check, file: str, code: str) -> None:
    assert list(rule(file, ast.parse(code))) == []


def test_planted_violations_cover_every_rule() -> None:
    assert {rule for rule, _, _ in PLANTED} == {rule for rule, _, _ in CLEAN} == set(CODE_RULES)


def test_layers_are_folders() -> None:
    assert [layer for layer in LAYERS if not (ROOT / layer / "__init__.py").exists()] == []
