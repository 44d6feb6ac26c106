"""Every change inside Beam, and what would happen without it.

A bundle ends by waiting for the thread that notes which step is at work, which sleeps for about a sixth of
the time the bundle has taken, up to 200 ms, unless told otherwise. In process, where nobody asks for it,
there is none: to begin and to end it takes a small bundle a tenth of its time.

In process: the runner's state is a dict in this process already. Caching it again weighs every value read
by walking all loaded modules, 5 ms each (half the time of the whole job, measured with cProfile). The
runner also keeps what every bundle reports until the pipeline ends, 1.5 MB a second, because Beam 2.77 adds
the reports up by generators that are only run then. Here each stage's counters are added up at once and
nothing else is kept. Where a partition's reading stands is written down with its source, pickled and packed
(bzip2, a millisecond there and back), with every bundle; Beam remembers those it packed. A source never
changes, so that it is remembered unpacked as well.

Workers of Flink: Beam keeps what a bundle writes to its end, then sends and waits for one state after the
other. On a busy machine an answer takes 5 ms, one in twenty 40, and a stage writes two or three states for
each shard of a bundle; a backlog's 10 MB of logs take the TaskManager a tenth of a second, in which the
worker would rest. Here it is sent before anything is waited for, and much of it while the bundle goes on.
For runners that restore all state when a bundle fails, as Flink does; of Beam's kinds of state for values
and bags only.
"""

import threading
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

from apache_beam.coders.coder_impl import CallbackCoderImpl
from apache_beam.io import unbounded_source
from apache_beam.metrics.monitoring_infos import USER_COUNTER_URN, consolidate
from apache_beam.runners.portability.fn_api_runner import fn_runner, worker_handlers
from apache_beam.runners.worker.bundle_processor import FnApiUserStateContext, SynchronousBagRuntimeState
from apache_beam.runners.worker.statesampler import StateSampler, set_current_tracker

from schemas.internals import Change, change

BEAM = "2.77"

#: How often Beam notes which step is at work, milliseconds.
SAMPLE_MS = 1

#: So many sources of a process are remembered by their bytes.
SOURCES = 16

#: A bag is sent what it was given once an element is this large.
EARLY_BYTES = 1 << 16


def for_in_process() -> bool:
    """Fit Beam's in-process runner to run for ever; returns whether this Beam is the one we know."""
    return change("apache-beam", BEAM, _in_process())


def for_flink_workers() -> bool:
    """Fit the workers of this process to share a machine with Flink; returns whether this Beam is ours."""
    return change("apache-beam", BEAM, _workers())


def _in_process() -> list[Change]:
    cache, memory = "half the speed in process", "memory grows by 1.5 MB a second in process"
    later = "bundles end up to 200 ms later"
    packed = "a bundle unpacks its source again, a millisecond in process"
    written = unbounded_source._PROVIDER.restriction_coder()._source_coder
    return [
        Change(StateSampler, "start", _unwatched, later),
        Change(StateSampler, "stop", _ended, later),
        Change(worker_handlers, "STATE_CACHE_SIZE_MB", 0, cache),
        Change(fn_runner, "consolidate_monitoring_infos", _counters, memory),
        Change(written, "_create_impl", partial(_remembering, written), packed),
    ]


def _workers() -> list[Change]:
    without = "a bundle on Flink waits for each of its states"
    return [
        Change(StateSampler.__init__, "__defaults__", (SAMPLE_MS,), "bundles end up to 200 ms later"),
        Change(FnApiUserStateContext, "commit", _commit, without),
        Change(SynchronousBagRuntimeState, "add", _add, without),
    ]


def _counters(reports: Iterable[Any]) -> list[Any]:
    return list(consolidate(report for report in reports if report.urn == USER_COUNTER_URN))


def _unwatched(sampler: Any) -> None:
    sampler.tracked_thread = threading.current_thread()
    set_current_tracker(sampler)
    sampler.started = True


def _ended(sampler: Any) -> None:
    set_current_tracker(None)
    sampler.finished = True


def _remembering(coder: Any) -> CallbackCoderImpl:
    packing = type(coder)._create_impl(coder)
    return CallbackCoderImpl(packing.encode, lru_cache(SOURCES)(packing.decode))


def _send(bag: Any) -> None:
    """Send what was done to a bag since it was last sent, as its `commit` does; answers are kept with it."""
    answers = vars(bag).setdefault("answers", [])
    if bag._cleared:
        answers.append(bag._state_handler.clear(bag._state_key))
    if added := bag._added_elements:
        answers.append(bag._state_handler.extend(bag._state_key, bag._value_coder.get_impl(), added))
    bag._cleared, bag._added_elements = False, []


def _add(bag: Any, value: Any) -> None:
    bag._added_elements.append(value)
    if isinstance(value, bytes) and len(value) >= EARLY_BYTES:
        _send(bag)


def _commit(context: Any) -> None:
    bags = [getattr(state, "_underlying_bag_state", state) for state in context._all_states.values()]
    for bag in bags:
        _send(bag)
    for bag in bags:
        for answer in bag.answers:
            if error := answer.get().error:
                raise RuntimeError(error)
