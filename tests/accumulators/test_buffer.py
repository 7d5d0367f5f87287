"""A buffer beside a store that commits, fails and is read again: put back is what was there at the last commit."""

from hypothesis import given, settings, strategies as st

from penstock.accumulators.buffer import Buffer
from penstock.runtime.codec import Codec

INTEGERS: Codec[int] = Codec(int, part="test")


class Rows:
    """A store of rows: what a cut writes is there when it is committed, and not before."""

    def __init__(self) -> None:
        self.rows: dict[int, bytes] = {}
        self.appended = 0
        self.begin()

    def begin(self) -> None:
        self.new: dict[int, bytes] = {}
        self.up_to = 0

    def append(self, number: int, data: bytes) -> None:
        assert number not in self.rows, "a row is inserted once"
        self.new[number] = data

    def trim(self, up_to: int) -> None:
        assert any(number <= up_to for number in self.rows), "nothing to trim"
        self.up_to = up_to

    def commit(self) -> None:
        # deleting comes first, as in the store
        self.rows = {number: data for number, data in self.rows.items() if number > self.up_to} | self.new
        self.appended += len(self.new)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 5)),
        st.tuples(st.just("take"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["commit", "fail", "send", "restart"]), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(STEPS)
def test_what_is_put_back_is_what_was_committed(steps: list[tuple[str, int]]) -> None:
    buffer, store = Buffer(INTEGERS), Rows()
    committed: list[int] = []
    sent: list[int] | None = None  # what the cut on its way holds
    counter = 0
    for step, count in steps:
        if step == "append":
            for _ in range(count):
                counter += 1
                buffer.append(counter)
        elif step == "take":
            buffer.take(min(count, len(buffer)))
        elif step == "send" and sent is None:
            store.begin()
            assert buffer.write(store.append, store.trim) == []
            sent = list(buffer.values)
        elif step == "commit" and sent is not None:
            store.commit()
            buffer.committed()
            committed, sent = sent, None
        elif step == "fail":
            sent = None
        elif step == "restart":
            buffer, sent = Buffer(INTEGERS), None
            buffer.restore(sorted(store.rows.items()))
            assert list(buffer.values) == committed

    assert store.appended <= counter * 2  # a row is written again only when it was lost


def test_a_value_that_is_taken_out_of_the_middle_is_gone_from_what_is_not_stored() -> None:
    buffer, store = Buffer(INTEGERS), Rows()
    for number in (1, 2, 3):
        buffer.append(number)

    buffer.remove(1)
    assert list(buffer.values) == [1, 3]
    buffer.write(store.append, store.trim)
    store.commit()
    buffer.committed()
    assert [INTEGERS.decode(data) for data in store.rows.values()] == [1, 3]
    buffer.take(2)
    store.begin()
    buffer.write(store.append, store.trim)
    store.commit()
    assert store.rows == {}


def test_a_value_that_cannot_be_stored_is_told_once() -> None:
    things: Buffer[object] = Buffer(Codec(object, part="test"))
    store = Rows()
    things.append(1)
    things.append(print)
    assert [value for value, _ in things.write(store.append, store.trim)] == [print]
    assert things.write(store.append, store.trim) == []
    store.commit()
    assert list(store.rows) == [1]
