"""What a bundle writes to its states, against Beam's own classes for them."""

from types import SimpleNamespace
from typing import Any

import pytest
from apache_beam import coders
from apache_beam.coders.coders import GlobalWindowCoder
from apache_beam.runners.worker.bundle_processor import FnApiUserStateContext, SynchronousBagRuntimeState
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec
from apache_beam.transforms.window import GlobalWindow

from pipelines.beam_internals import EARLY_BYTES, for_flink_workers

VALUE = ReadModifyWriteStateSpec("value", coders.BytesCoder())
BAG = BagStateSpec("bag", coders.BytesCoder())


class Runner:
    """Notes requests and who waits; `error` is its answer to each."""

    def __init__(self, error: str = "") -> None:
        self.noted: list[Any] = []
        self._error = error

    def clear(self, state_key: Any) -> Any:
        return self._answer("clear", state_key)

    def extend(self, state_key: Any, _: Any, elements: Any) -> Any:
        return self._answer("append", state_key, *elements)

    def _answer(self, request: str, state_key: Any, *values: bytes) -> Any:
        at = state_key.bag_user_state
        self.noted.append((request, at.user_state_id, at.key, *values))

        def get() -> Any:
            self.noted.append("wait")
            return SimpleNamespace(error=self._error)

        return SimpleNamespace(get=get)


@pytest.fixture(autouse=True)
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FnApiUserStateContext, "commit", FnApiUserStateContext.commit)  # put back after
    monkeypatch.setattr(SynchronousBagRuntimeState, "add", SynchronousBagRuntimeState.add)
    assert for_flink_workers()


def written(runner: Runner) -> FnApiUserStateContext:
    """The context of a bundle that wrote a value of one key and added to the bags of two."""
    context = FnApiUserStateContext(runner, "Stage", coders.BytesCoder(), GlobalWindowCoder())
    context.get_state(VALUE, b"a", GlobalWindow()).write(b"new")
    for key in (b"a", b"b"):
        context.get_state(BAG, key, GlobalWindow()).add(b"more")
    return context


def test_everything_is_sent_before_anything_is_waited_for() -> None:
    runner = Runner()
    written(runner).commit()

    assert runner.noted[:4] == [
        ("clear", "value", b"\x01a"),
        ("append", "value", b"\x01a", b"new"),
        ("append", "bag", b"\x01a", b"more"),
        ("append", "bag", b"\x01b", b"more"),
    ]
    assert runner.noted[4:] == ["wait"] * 4


def test_a_large_element_is_sent_while_the_bundle_goes_on_and_waited_for_at_its_end() -> None:
    runner, large = Runner(), bytes(EARLY_BYTES)
    context = FnApiUserStateContext(runner, "Stage", coders.BytesCoder(), GlobalWindowCoder())
    log = context.get_state(BAG, b"a", GlobalWindow())
    log.add(b"small")
    assert runner.noted == []
    log.add(large)
    log.add(b"after")
    assert runner.noted == [("append", "bag", b"\x01a", b"small", large)]

    context.commit()

    assert runner.noted[1:] == [("append", "bag", b"\x01a", b"after"), "wait", "wait"]


def test_a_log_that_is_replaced_is_cleared_once_and_then_only_added_to() -> None:
    runner, large = Runner(), bytes(EARLY_BYTES)
    context = FnApiUserStateContext(runner, "Stage", coders.BytesCoder(), GlobalWindowCoder())
    log = context.get_state(BAG, b"a", GlobalWindow())
    log.add(large)
    log.clear()
    log.add(large)
    log.add(large)
    context.commit()

    append = ("append", "bag", b"\x01a", large)
    assert runner.noted[:4] == [append, ("clear", "bag", b"\x01a"), append, append]


def test_an_error_of_what_was_sent_early_fails_the_bundle() -> None:
    context = FnApiUserStateContext(Runner("disk full"), "Stage", coders.BytesCoder(), GlobalWindowCoder())
    context.get_state(BAG, b"a", GlobalWindow()).add(bytes(EARLY_BYTES))

    with pytest.raises(RuntimeError, match="disk full"):
        context.commit()


def test_a_state_that_cannot_be_written_fails_the_bundle() -> None:
    with pytest.raises(RuntimeError, match="no such key"):
        written(Runner("no such key")).commit()


def test_a_bundle_that_wrote_nothing_waits_for_nothing() -> None:
    runner = Runner()
    FnApiUserStateContext(runner, "Stage", coders.BytesCoder(), GlobalWindowCoder()).commit()

    assert runner.noted == []
