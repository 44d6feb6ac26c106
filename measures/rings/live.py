"""Rings as facts come: what a fact touches is looked at again, everything else stays as it is.

A look gives what a rebuild of everything would give (`measures.rings.following`): only the components that a
new, changed or removed link touches are put together anew, with the same rules and the same hubs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from measures.cases.campaigns import marks
from measures.rings import following
from measures.rings.components import HUB, components, leiden, reaches
from measures.rings.links import (
    CALL_TO_PAYMENT_US,
    CALLED_FOR,
    Known,
    LinkKey,
    accounts_of,
    believed,
    in_order,
    of_alert,
    of_call,
    of_campaigns,
    of_report,
    of_trace,
    paid_by,
)
from schemas.alert import Alert, accused_of
from schemas.clue import Clue
from schemas.feedback import Feedback
from schemas.report import ReportCase
from schemas.ring import Link, Ring
from schemas.trace import Trace


class LiveRings:
    """Links, what is suspected, and the rings last told."""

    def __init__(self, before: Iterable[Ring] = ()) -> None:
        """Begin with the rings that were told before."""
        self._links: dict[LinkKey, Link] = {}
        self._at: defaultdict[str, set[LinkKey]] = defaultdict(set)
        self._near: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._suspected: defaultdict[str, set[str]] = defaultdict(set)
        self._cleared: set[str] = set()
        self._alerts: defaultdict[str, dict[str, Alert]] = defaultdict(dict)
        self._traced: defaultdict[LinkKey, dict[str, Trace]] = defaultdict(dict)
        self._calls: defaultdict[str, list[Clue]] = defaultdict(list)
        self._held: dict[str, dict[str, int]] = {}
        self._reports: dict[str, ReportCase] = {}
        self._campaigns: dict[LinkKey, Link] = {}
        self._stale = False
        self._touched: set[str] = set()
        self._rests: dict[str, list[tuple[int, int]]] = {}
        self._rings = {ring.ring_id: ring for ring in before if ring.change != "ENDED"}
        self._ring_of = {m.account_token: ring.ring_id for ring in self._rings.values() for m in ring.members}
        self._newest_us = 0
        self._touched |= set(self._ring_of)

    @property
    def rings(self) -> Mapping[str, Ring]:
        """Rings as they were last told, by id."""
        return self._rings

    @property
    def known(self) -> Known:
        """Everything that is known, as a rebuild takes it."""
        self._tie_campaigns()
        return Known(in_order(self._links.values()), self._names(), self._newest_us)

    def alert(self, alert: Alert) -> None:
        """Take an alert; one about a payment found legitimate says nothing."""
        self._newest_us = max(self._newest_us, alert.at_us)
        self._alerts[alert.txn_id][alert.alert_id] = alert
        if alert.txn_id in self._cleared:
            return
        self._suspect(accused_of(alert), alert.alert_id)
        for key, link in of_alert(alert).items():
            self._put(key, link)
            for trace in self._traced.get(key, {}).values():
                self._drop(of_trace(trace)[0])

    def trace(self, trace: Trace) -> None:
        """Take a trace; it says nothing of a payment that an alert speaks of."""
        self._newest_us = max(self._newest_us, trace.at_us)
        key = paid_by(trace)
        self._traced[key][trace.trace_id] = trace
        if key not in self._links:
            self._put(*of_trace(trace))

    def clue(self, clue: Clue) -> None:
        """Take a clue; of calls only those of unknown numbers count, to who pays a suspect soon after."""
        if clue.kind != "CALL" or not clue.counterparty or clue.known:
            return
        calls = self._calls[clue.party]
        calls.append(clue)
        oldest = max(each.at_us for each in calls) - CALL_TO_PAYMENT_US
        calls[:] = [each for each in calls if each.at_us >= oldest or self._at.get(clue.party)]
        self._call(clue.party)

    def feedback(self, said: Feedback) -> None:
        """Take away what rested on a payment that people found legitimate."""
        if said.verdict != "LEGITIMATE" or said.txn_id in self._cleared:
            return
        self._cleared.add(said.txn_id)
        for alert in self._alerts.pop(said.txn_id, {}).values():
            self._clear(accused_of(alert), alert.alert_id)
            for key in of_alert(alert):
                self._drop(key)
                for trace in self._traced.get(key, {}).values():
                    self._put(*of_trace(trace))

    def report(self, case: ReportCase) -> None:
        """Take the state of a report: what was named is tied while people stand by it."""
        before = self._reports.get(case.key)
        if before is not None and case.version < before.version:
            return
        self._newest_us = max(self._newest_us, case.report.at_us)
        self._reports[case.key] = case
        self._stale |= any(marks(each.report) for each in (before, case) if each)
        old, new = (of_report(each) if each and believed(each) else {} for each in (before, case))
        for key in old.keys() - new.keys():
            self._drop(key)
        for key, link in new.items():
            self._put(key, link)
        accused = accounts_of(case) if believed(case) else set[str]()
        for account in (accounts_of(before) if before and believed(before) else set[str]()) - accused:
            self._clear(account, case.key)
        for account in accused:
            self._suspect(account, case.key)

    def _tie_campaigns(self) -> None:
        """Group the reports anew, all of them, if one came that may be of a campaign."""
        if not self._stale:
            return
        self._stale, before = False, self._campaigns
        self._campaigns = of_campaigns(self._reports.values())
        for key in before.keys() - self._campaigns.keys():
            self._drop(key)
        for key, link in self._campaigns.items():
            self._put(key, link)

    def held(self, account: str, sums: Mapping[str, int]) -> None:
        """Take what measures hold on an account now, by currency."""
        if self._held.get(account, {}) != dict(sums):
            self._held[account] = dict(sums)
            if account in self._suspected:
                self._touched.add(account)

    def look(self) -> list[Ring]:
        """Return what changed since the last look; each ring whole."""
        self._tie_campaigns()
        if not self._touched:
            return []
        names = self._around()
        keys = {key for name in names for key in self._at.get(name, ())}
        links = in_order(self._links[key] for key in keys)
        suspected = frozenset(n for n in names if self._suspected.get(n))
        part = Known(links, suspected, self._newest_us)
        hubs = {end for link in links for end in (link.left, link.right) if self._is_hub(end)}
        each = components(part, leiden, hubs)
        for name in names:
            self._rests.pop(name, None)
        elsewhere = [rest for rests in self._rests.values() for rest in rests]
        now = following.rings_of(each, self._held, self._newest_us, elsewhere)
        self._rests |= {min(one.accounts): following.rested(one) for one in each}
        mine = {self._ring_of[name] for name in names if name in self._ring_of}
        told = following.changes([self._rings[ring_id] for ring_id in sorted(mine)], now)
        self._remember(told)
        self._touched.clear()
        return told

    def _remember(self, told: Iterable[Ring]) -> None:
        for ring in sorted(told, key=lambda each: each.change != "ENDED"):
            for name in [m.account_token for m in self._rings.get(ring.ring_id, ring).members]:
                if self._ring_of.get(name) == ring.ring_id:
                    del self._ring_of[name]
            if ring.change == "ENDED":
                self._rings.pop(ring.ring_id, None)
        for ring in told:
            if ring.change != "ENDED":
                self._rings[ring.ring_id] = ring
                self._ring_of |= {member.account_token: ring.ring_id for member in ring.members}

    def _around(self) -> set[str]:
        """Return all names that what was touched hangs together with, now or in the rings last told."""
        ahead = list(self._touched)
        found = set(ahead)
        while ahead:
            name = ahead.pop()
            near = set[str]()
            if ring := self._rings.get(self._ring_of.get(name, "")):
                near = {member.account_token for member in ring.members}
            if not self._is_hub(name):
                near |= {
                    end
                    for key in self._at.get(name, ())
                    for end in (self._links[key].left, self._links[key].right)
                    if reaches(self._links[key], self._suspected_now)
                }
            fresh = {each for each in near if each not in found}
            found |= fresh
            ahead += fresh
        return found

    def _suspected_now(self, name: str) -> bool:
        return bool(self._suspected.get(name))

    def _names(self) -> frozenset[str]:
        return frozenset(name for name, causes in self._suspected.items() if causes)

    def _is_hub(self, name: str) -> bool:
        return len(self._near.get(name, ())) > HUB

    def _suspect(self, account: str, cause: str) -> None:
        if not self._suspected[account]:
            self._touched.add(account)
        self._suspected[account].add(cause)

    def _clear(self, account: str, cause: str) -> None:
        self._suspected[account].discard(cause)
        self._touched.add(account)

    def _put(self, key: LinkKey, link: Link) -> None:
        if self._links.get(key) == link:
            return
        self._drop(key)
        self._links[key] = link
        for one, other in ((link.left, link.right), (link.right, link.left)):
            self._at[one].add(key)
            was = self._is_hub(one)
            self._near[one][other] += 1
            self._touch(one, hub_changed=was != self._is_hub(one))
        if link.kind in CALLED_FOR:
            self._call(link.left)

    def _drop(self, key: LinkKey) -> None:
        link = self._links.pop(key, None)
        if link is None:
            return
        for one, other in ((link.left, link.right), (link.right, link.left)):
            self._at[one].discard(key)
            was, near = self._is_hub(one), self._near[one]
            near[other] -= 1
            if not near[other]:
                del near[other]
            self._touch(one, hub_changed=was != self._is_hub(one))
        if link.kind in CALLED_FOR:
            self._call(link.left)

    def _touch(self, name: str, *, hub_changed: bool) -> None:
        self._touched.add(name)
        if hub_changed:
            self._touched |= set(self._near[name])

    def _call(self, party: str) -> None:
        """Put a party's calls as its payments to suspects are now."""
        if party not in self._calls:
            return
        keys = self._at.get(party, set())
        mine = (self._links[key] for key in keys)
        last_us = max(
            (link.at_us for link in mine if link.kind in CALLED_FOR and link.left == party), default=-1
        )
        wanted: dict[LinkKey, Link] = {}
        for clue in self._calls[party]:
            if 0 <= last_us - clue.at_us <= CALL_TO_PAYMENT_US:
                wanted |= dict(of_call(clue))
        gone = [k for k in keys if k[0] in {"CALLED", "SAME_ORIGID"} and k[2] == party and k not in wanted]
        for key in gone:
            self._drop(key)
        for key, link in wanted.items():
            self._put(key, link)
