"""A plan in words: the same lines on a terminal and in Dagster's UI."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from cdp_pipeline.operations.plan import KindPlan, NewEntity, PlanReport, Value
from cdp_pipeline.operations.plan_profiles import AttributePlan

Show = Callable[[Value], str]
MANY_FILES = 5


class Line(NamedTuple):
    """A figure as it is and as it would be, and what happens in between."""

    what: str
    before: str
    after: str
    change: str


def shown_as_it_is(value: Value) -> str:
    """An identifier as `type:value`."""
    return f"{value.type}:{value.value}"


def shown_by_its_id(value: Value) -> str:
    """An identifier without its value, for what others may read: its type and the beginning of its identifier_id."""
    return f"{value.type} {str(value.identifier_id)[:8]}…"


def notes_of(report: PlanReport) -> list[str]:
    """What a person should know beside the figures."""
    notes = list(report.notes)
    if report.files:
        more = f" and {len(report.files) - MANY_FILES:,} more" if len(report.files) > MANY_FILES else ""
        notes.append(
            f"A run would land first: {', '.join(report.files[:MANY_FILES])}{more}. A plan does not read them, so what "
            "they bring comes on top of it."
        )
    return notes


def figures_of(plan: KindPlan) -> list[Line]:
    """The figures of a kind of entity."""
    people, identifiers, profiles = plan.people, plan.identifiers, plan.profiles
    quarantine, refused = plan.quarantine, plan.refused_links
    fates = {
        "would merge into others": people.merged,
        "would split": people.split,
        "would appear": people.appeared,
        "would vanish": people.vanished,
        "would go by another id": people.renamed,
    }
    moves = {
        "would go to somebody else": identifiers.moved,
        "would come": identifiers.added,
        "would go": identifiers.removed,
    }
    values = {
        "would hold other values": profiles.changed,
        "would be added": profiles.added,
        "would be removed": profiles.removed,
    }
    return [
        _line("people", people.before, people.after, fates),
        _line("identifiers", identifiers.before, identifiers.after, moves),
        _line(
            "in quarantine",
            quarantine.before,
            quarantine.after,
            {"would enter it": quarantine.entered, "would leave it": quarantine.released},
        ),
        _line("refused links", refused.before, refused.after, {"would be refused newly": refused.newly_refused}),
        Line("events", "", "", _counted({"would go to somebody else": plan.events_moved})),
        _line("profiles", profiles.before, profiles.after, values),
    ]


def _line(what: str, before: int, after: int, changes: dict[str, int]) -> Line:
    return Line(what, f"{before:,}", f"{after:,}", _counted(changes))


def _counted(changes: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {words}" for words, count in changes.items() if count)


def stages_of(plan: KindPlan) -> list[str]:
    """The stages that a run would do, each with its reason."""
    how = {"all": "all of it again", "changes": "what changed"}
    return [f"{stage.asset}: {how.get(stage.due, stage.due)} ({stage.why})" for stage in plan.stages]


def columns_of(plan: KindPlan) -> list[str]:
    """The columns that come and go."""
    told = (("Columns that come", plan.profiles.columns_added), ("Columns that go", plan.profiles.columns_removed))
    return [f"{what}: {', '.join(names)}" for what, names in told if names]


def entity_in_words(entity: NewEntity, show: Show) -> tuple[str, str, str, str]:
    """Identifiers it would have and has, published people in it, a few of its values."""
    more = ", …" if entity.identifiers > len(entity.values) else ""
    before = "" if entity.identifiers_before is None else f"{entity.identifiers_before:,}"
    return f"{entity.identifiers:,}", before, f"{entity.published:,}", ", ".join(map(show, entity.values)) + more


def attribute_in_words(attribute: AttributePlan, *, name_person: bool) -> tuple[str, str, str, str, str]:
    """The attribute, profiles that change, its sum before and after, its largest change."""
    largest = ""
    if attribute.largest is not None:
        who = (attribute.largest.person_key if name_person else None) or str(attribute.largest.entity_id)
        largest = f"{who}: {_plain(attribute.largest.before)} → {_plain(attribute.largest.after)}"
    if attribute.type_before is not None:
        largest = ", ".join(filter(None, (f"{attribute.type_before} → {attribute.type_after}", largest)))
    sums = (_plain(attribute.sum_before), _plain(attribute.sum_after))
    return attribute.attribute, f"{attribute.profiles_changed:,}", *sums, largest


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return f"{Decimal(str(value)).normalize():,f}" if isinstance(value, float | int | Decimal) else str(value)
