"""How `cdp test` tells how the project's own tests ended: each as soon as it is known, then their number."""

from rich.markup import escape

from cdp_pipeline.operations.scenarios import ScenarioReport, ScenarioResult
from cdp_pipeline.terminal import _out, print_json


def show_result(result: ScenarioResult, as_json: bool) -> None:
    """One test: its verdict, and what was found instead of what it expects."""
    if as_json:
        return
    out = _out()
    verdict = "[green]ok[/]    " if result.passed else "[red]FAILED[/]"
    out.print(f"{verdict}  {escape(result.name)}  [dim]{escape(result.file)}:{result.line}, {result.seconds:.1f} s[/]")
    for note in result.notes:
        out.print(f"        [yellow]Note:[/] {escape(note)}")
    if result.error is not None:
        out.print(f"        {escape(result.error)}", style="red")
    for failure in result.failures:
        out.print(f"        {escape(result.file)}:{failure.line}: expected: {escape(failure.expected)}")
        out.print(f"          found: {escape(failure.found)}")
        for line in failure.why.splitlines():
            out.print(f"          {escape(line)}")


def show_report(report: ScenarioReport, as_json: bool) -> None:
    """All tests: how many passed and how many failed."""
    if as_json:
        print_json(report)
        return
    failed = f", [red]{report.failed} failed[/]" if report.failed else ""
    _out().print(f"{report.passed} passed{failed}.")
