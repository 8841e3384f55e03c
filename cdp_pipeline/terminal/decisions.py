"""What operators decided, as it is shown."""

from typing import TYPE_CHECKING

from rich.markup import escape

from cdp_pipeline.terminal import _out, _table, _time, print_json

if TYPE_CHECKING:
    from cdp_pipeline.operations.decisions import Answer, ToldDecision


def show_answer(answer: "Answer", as_json: bool) -> None:
    """A decision that was made or withdrawn, and what the next run makes of it."""
    if as_json:
        print_json(answer)
        return
    out = _out()
    made = answer.decision
    if made.state == "withdrawn":
        out.print(f"[bold]Withdrawn:[/] {escape(_in_words(made))}")
    else:
        out.print(f"[bold]Decided:[/] {made.verdict}, {escape(_about(made))}, by {escape(f'{made.by} ({made.why})')}")
    if answer.replaces is not None:
        out.print(f"It takes the place of {escape(_in_words(answer.replaces))}")
    for name in answer.unseen:
        out.print(f"[yellow]Note:[/] {escape(name)} is not in use yet; the decision waits for it.")
    out.print(f"Nothing has changed yet: the next `cdp run` {escape(answer.next_run)}.")


def show_decisions(decisions: "list[ToldDecision]", everything: bool, as_json: bool) -> None:
    """The decisions of a project, in the order in which they were made."""
    if as_json:
        print_json({"decisions": decisions})
        return
    if not decisions:
        _out().print("Nothing was ever decided." if everything else "No decision is in force.")
        return
    table = _table("Decisions" if everything else "Decisions in force")
    for name in ("number", "kind", "verdict", "about", "by", "at", "why", *(["state"] if everything else [])):
        table.add_column(name, justify="right" if name == "number" else "left")
    for each in decisions:
        cells = [str(each.decision_id), each.kind, each.verdict, _about(each), each.by, _time(each.at), each.why]
        table.add_row(*(escape(cell) for cell in (*cells, *([_state(each)] if everything else []))))
    _out().print(table)


def _about(decision: "ToldDecision") -> str:
    return decision.one if decision.other is None else f"{decision.one} and {decision.other}"


def _in_words(decision: "ToldDecision") -> str:
    when = f"decided {_time(decision.at)} by {decision.by} ({decision.why})"
    return f"{decision.verdict}, {_about(decision)}, {when}"


def _state(decision: "ToldDecision") -> str:
    if decision.withdrawn_at is None:
        return decision.state
    why = f" ({decision.withdrawn_why})" if decision.withdrawn_why else ""
    return f"withdrawn {_time(decision.withdrawn_at)} by {decision.withdrawn_by}{why}"
