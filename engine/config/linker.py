"""Joins the channels: routes, circles, shapes along channels and routes, and who wants which port."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.config.binding import Part
from engine.config.channel import DestinationDraft, Draft
from engine.config.names import hint, suggest
from engine.config.plan import ChannelPlan, DestinationPlan
from engine.config.problems import Report
from engine.config.routes import Arrow, Routes
from engine.model.lane import Lane
from engine.model.message import Shape
from engine.plugins.plugin import Plugin


@dataclass(frozen=True, slots=True)
class Linked:
    """The channels that run, with the channels that each feeds."""

    drafts: tuple[Draft, ...]
    feeds: Mapping[str, tuple[str, ...]]


def link(drafts: Mapping[str, Draft], broken: Collection[str], routes: Routes, report: Report) -> Linked:
    """Check all that concerns more than one line. `broken` are channels whose file could not be read at all."""
    arrows = _known_arrows(drafts, broken, routes, report)
    given = {name: _check_along(draft, report) for name, draft in drafts.items()}
    closing = _check_circles(arrows, report)
    for arrow in arrows:
        if arrow not in closing:
            _check_route(arrow, drafts, given, report)
    running = _running(drafts)
    _check_ends(drafts, routes, report)
    _check_claims(running, report)
    feeds: dict[str, list[str]] = defaultdict(list)
    for arrow in arrows:
        feeds[arrow.feeder].append(arrow.fed)
    return Linked(tuple(running), {name: tuple(fed) for name, fed in feeds.items()})


def _running(drafts: Mapping[str, Draft]) -> list[Draft]:
    return [draft for draft in drafts.values() if draft.enabled]


# --- routes


def _known_arrows(drafts: Mapping[str, Draft], broken: Collection[str], routes: Routes, report: Report) -> list[Arrow]:
    """The arrows of which both ends are there and may run."""
    known = [*drafts, *broken]
    for name, place in routes.feeders.items():
        if name not in known:
            report.add("E301", place, f"routes.{name}", f"there is no channels/{name}.yaml; {hint(name, known)}")
    arrows = []
    for arrow in routes.arrows:
        fed, feeder = drafts.get(arrow.fed), drafts.get(arrow.feeder)
        if arrow.fed not in known:
            text = f"there is no channels/{arrow.shown}.yaml; {hint(arrow.shown, known)}"
            report.add("E301", arrow.place, arrow.path, text)
        elif fed and feeder and feeder.enabled and not fed.enabled:
            text = f"`{arrow.shown}` is switched off (`enabled: false`); take it out here, or switch it on"
            report.add("E307", arrow.place, arrow.path, text)
        elif fed and feeder:
            arrows.append(arrow)
    return arrows


def _check_circles(arrows: Sequence[Arrow], report: Report) -> set[Arrow]:
    """Each arrow that closes a circle is named, in the order of the file. Returns those."""
    onward: dict[str, list[Arrow]] = defaultdict(list)
    for arrow in arrows:
        onward[arrow.feeder].append(arrow)
    done: set[str] = set()
    closing: set[Arrow] = set()

    def visit(name: str, way: list[str], shown: list[str]) -> None:
        for arrow in onward[name]:
            if arrow.fed in way:
                circle = " → ".join([*shown[way.index(arrow.fed) :], arrow.shown])
                text = f"goes round in a circle: {circle}; take one of these arrows out"
                report.add("E302", arrow.place, arrow.path, text)
                closing.add(arrow)
            elif arrow.fed not in done:
                visit(arrow.fed, [*way, arrow.fed], [*shown, arrow.shown])
        done.add(name)

    for name in list(onward):
        if name not in done:
            visit(name, [name], [name])
    return closing


def _check_ends(drafts: Mapping[str, Draft], routes: Routes, report: Report) -> None:
    """Every channel leads somewhere, and what is fed by routes only is fed."""
    if not routes.routes_known:
        return
    feeding = _meant({arrow.feeder for arrow in routes.arrows} | routes.open_ended, drafts)
    live = [arrow for arrow in routes.arrows if arrow.feeder not in drafts or drafts[arrow.feeder].enabled]
    fed = _meant({arrow.fed for arrow in live}, drafts)
    for draft in _running(drafts):
        if not draft.has_destinations and draft.name not in feeding and not _ends_in_the_store(draft):
            text = f"leads nowhere; add `destinations:` here, or `{draft.name}: [CHANNEL]` to the routes in routes.yaml"
            report.add("E303", draft.place, "", text)
        if draft.fed and draft.name not in fed and not routes.open_ended:
            text = "is fed by other channels only (`type: channel`), but no line of routes.yaml leads to it"
            report.add("W306", draft.place, "source", text)


def _ends_in_the_store(draft: Draft) -> bool:
    """Its last step has the whole effect, such as keeping the links of patients."""
    last = draft.steps[-1] if draft.steps else None
    return last is not None and last.plugin.may_end


def _meant(names: Collection[str], drafts: Mapping[str, Draft]) -> set[str]:
    """The names, and what misspelt ones probably mean: a slip in routes.yaml is no fault of the channel's file."""
    return {*names, *(meant for name in names if name not in drafts and (meant := suggest(name, drafts)))}


# --- shapes


def _check_along(draft: Draft, report: Report) -> Shape | None:
    """The shape that comes out at the channel's end; None where it is not known."""
    shape, giver = draft.shape, "the source" if not draft.source else f"`{draft.source.plugin.name}`"
    for part in [*draft.filters, *draft.steps]:
        if part is None:
            shape = None
            continue
        fits = _check_takes(part, shape, giver, report)
        if not fits:  # the wrong step, perhaps: what it gives is not what comes next
            shape = None
        elif part.emits is not None:
            shape, giver = part.emits, f"`{part.plugin.name}`"
    for destination in draft.destinations:
        if destination.part:
            _check_takes(destination.part, shape, giver, report)
    return shape


def _check_takes(part: Part, shape: Shape | None, giver: str, report: Report) -> bool:
    if shape is None or shape in part.plugin.accepts:
        return True
    text = f"`{part.plugin.name}` takes {_listed(part.plugin)}, but {giver} gives {shape}; put a step between"
    report.add("E304", part.place, part.path, text)
    return False


def _listed(plugin: Plugin[Any]) -> str:
    return " or ".join(sorted(plugin.accepts))


def _check_route(arrow: Arrow, drafts: Mapping[str, Draft], given: Mapping[str, Shape | None], report: Report) -> None:
    gives, takes = given[arrow.feeder], drafts[arrow.fed].shape
    if gives and takes and gives is not takes:
        text = f"`{arrow.shown}` takes {takes}, but `{arrow.feeder}` gives {gives}; add a step in between"
        report.add("E305", arrow.place, arrow.path, text)


# --- ports and the like


def _check_claims(running: Sequence[Draft], report: Report) -> None:
    first: dict[str, Part] = {}
    for draft in running:
        for part in draft.parts:
            for claim in part.claims:
                holder = first.setdefault(claim, part)
                if holder is not part:
                    report.add("E308", part.place, part.path, _taken(claim, holder, part))


def _taken(claim: str, holder: Part, part: Part) -> str:
    where = f"{holder.place.file.name}, line {holder.place.line}"
    written = [*part.put_in, *holder.put_in]
    taken = f"wants the same as {where} (`{written[0]}`)" if written else f"{claim} is taken by {where}"
    return f"{taken}; give one of them another"


# --- plans


def plans(linked: Linked, versions: Mapping[str, str]) -> Mapping[str, ChannelPlan]:
    """The channels that run, as plans. Only for a configuration without errors."""
    return {draft.name: _plan(draft, linked.feeds.get(draft.name, ()), versions[draft.name]) for draft in linked.drafts}


def _plan(draft: Draft, feeds: tuple[str, ...], version: str) -> ChannelPlan:
    keys = draft.keys
    assert keys is not None
    assert draft.shape is not None
    steps = [step.bound for step in draft.steps if step]
    return ChannelPlan(
        name=draft.name,
        description=keys.description,
        shape=draft.shape,
        source=draft.source.bound if draft.source else None,
        keep=draft.keep,
        steps=tuple(step for step in steps if step),
        destinations=tuple(_destinations(draft.destinations)),
        feeds=feeds,
        site=draft.site,
        tenant=keys.tenant,
        owner=keys.owner,
        retry=keys.retry.policy(),
        when_it_fails=keys.when_it_fails,
        holds_up_to=keys.holds_up_to,
        retention=keys.keep.retention(),
        order_wait_seconds=keys.wait_for_order,
        lane=Lane(keys.lane),
        version=version,
    )


def _destinations(drafts: Sequence[DestinationDraft]) -> Iterator[DestinationPlan]:
    for draft in drafts:
        assert draft.keys is not None
        assert draft.part is not None
        assert draft.part.bound is not None
        yield DestinationPlan(
            draft.part.bound,
            retry=draft.keys.retry.policy(),
            breaker_failures=draft.keys.circuit_breaker.failures,
            breaker_rest_seconds=draft.keys.circuit_breaker.try_again_in,
            at_once=draft.keys.at_once,
            in_order=draft.keys.in_order,
        )
