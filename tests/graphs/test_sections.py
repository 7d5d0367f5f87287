"""What may run concurrently, and in which strand."""

from hypothesis import given, strategies as st

from penstock.graphs.sections import Section, arrange


def strands(producers: dict[str, str], asyncs: str) -> list[list[str]]:
    """Lay out nodes of one letter each."""
    sections = arrange({name: list(sources) for name, sources in producers.items()}, frozenset(asyncs))
    return [["".join(strand) for strand in section.strands] for section in sections]


def test_plain_nodes_and_lone_async_ones_run_in_line() -> None:
    assert strands({"a": "", "b": "a", "c": "a", "d": "bc"}, "") == [["abcd"]]
    assert strands({"a": "", "b": "a", "c": "b", "d": "c"}, "bd") == [["abcd"]]


def test_independent_async_nodes_run_in_strands() -> None:
    assert strands({"a": "", "b": "a", "c": "a", "d": "bc"}, "bc") == [["a"], ["b", "c"], ["d"]]


def test_chains_do_not_wait_for_each_other() -> None:
    assert strands({"a": "", "b": "", "c": "a", "d": "b", "e": "cd"}, "abcd") == [["ac", "bd"], ["e"]]


def test_plain_node_between_async_ones_goes_into_their_strand() -> None:
    assert strands({"a": "", "b": "", "c": "a", "d": "c"}, "abd") == [["acd", "b"]]


def test_plain_node_runs_before_what_it_does_not_need() -> None:
    assert strands({"a": "", "b": "", "c": "", "d": "a"}, "ab") == [["c"], ["a", "b"], ["d"]]


def test_strand_waits_where_its_nodes_need_another_one() -> None:
    (section,) = arrange({"a": [], "b": [], "c": ["a", "b"], "d": ["b"]}, frozenset("abcd"))
    assert section == Section(strands=(("a", "c"), ("b", "d")), waits={"c": ("b",)})
    assert section.awaited == {"b"}


Graphs = st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 11), max_size=4)), min_size=1, max_size=12).map(
    lambda rows: (
        {f"n{i}": [f"n{j}" for j in sorted(above) if j < i] for i, (_, above) in enumerate(rows)},
        frozenset(f"n{i}" for i, (is_async, _) in enumerate(rows) if is_async),
    )
)


def ancestors(producers: dict[str, list[str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, sources in producers.items():
        found[name] = set(sources).union(*(found[source] for source in sources))

    return found


@given(Graphs)
def test_every_node_runs_once_and_after_what_it_needs(graph: tuple[dict[str, list[str]], frozenset[str]]) -> None:
    producers, asyncs = graph
    above = ancestors(producers)
    done: list[str] = []
    for section in arrange(producers, asyncs):
        inside = {name for strand in section.strands for name in strand}
        for strand in section.strands:
            for index, name in enumerate(strand):
                known = {*done, *strand[:index], *section.waits.get(name, ())}
                assert above[name] <= known | {a for other in known & inside for a in above[other]}

        done += inside

    assert sorted(done) == sorted(producers)


@given(Graphs)
def test_independent_async_nodes_are_never_put_one_after_another(
    graph: tuple[dict[str, list[str]], frozenset[str]],
) -> None:
    producers, asyncs = graph
    above = ancestors(producers)
    sections = arrange(producers, asyncs)
    section_of = {name: section for section in sections for strand in section.strands for name in strand}
    strand_of = {name: strand for section in sections for strand in section.strands for name in strand}
    for one in asyncs:
        for other in asyncs - {one}:
            if one not in above[other] and other not in above[one]:
                assert section_of[one] is section_of[other]
                assert strand_of[one] is not strand_of[other]
