"""An explanation as one HTML file that needs nothing else: no script, no host, no other file."""

from datetime import UTC, datetime
from html import escape
from pathlib import Path

from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.explain import Explanation
from cdp_pipeline.operations.explain_pair import PairExplanation
from cdp_pipeline.terminal import NUMBERS, visible
from cdp_pipeline.terminal.explanation import parts_of
from cdp_pipeline.terminal.graph_drawing import GROUPS, draw_svg, need_drawing
from cdp_pipeline.terminal.phrases import Part, count, tell_time

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2933; background: #f5f7fa; margin: 0; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 60px; }
header p.notice { background: #fff3c4; border-left: 4px solid #f0b429; padding: 8px 12px; margin: 12px 0; }
h1 { font-size: 24px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 28px 0 6px; overflow-wrap: anywhere; }
section p { margin: 4px 0; overflow-wrap: anywhere; }
figure { background: #fff; border: 1px solid #e4e7eb; border-radius: 8px; margin: 18px 0; padding: 10px; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { color: #52606d; font-size: 13px; padding: 6px 4px 0; }
div.table { overflow-x: auto; background: #fff; border: 1px solid #e4e7eb; border-radius: 8px; margin: 10px 0; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; vertical-align: top; padding: 6px 10px; border-bottom: 1px solid #e4e7eb; }
th { background: #eef1f5; white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
td { overflow-wrap: anywhere; min-width: 90px; }
td.number { min-width: 0; }
footer { color: #52606d; font-size: 13px; margin-top: 30px; }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


__all__ = ["html_of", "need_drawing", "write_html"]


def write_html(found: Explanation | PairExplanation, project: str, file: Path) -> None:
    """Writes an explanation, drawn and in words.

    Args:
        found: the explanation.
        project: the project's name.
        file: where to; what lies there is replaced.

    Raises:
        UsageError: the file cannot be written, or what draws is not installed.
    """
    text = html_of(found, project, datetime.now(UTC))
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from error


def html_of(found: Explanation | PairExplanation, project: str, made_at: datetime) -> str:
    """The whole page."""
    first, *others = parts_of(found)
    title = first.heading
    drawing = found.drawing
    caption = f"{count(len(drawing.dots), 'identifier')} drawn."
    if drawing.left_out:
        caption += f" {drawing.left_out:,} more that are linked with them were left out, for want of room."
    groups = {dot.group_id for dot in drawing.dots if dot.group_id is not None}
    grey = f", and grey the {len(groups) - len(GROUPS):,} for which there is none" if len(groups) > len(GROUPS) else ""
    caption += f" A colour is an entity{grey}; white is nobody's."
    body = [
        "<header>",
        f"<h1>{_text(title)}</h1>",
        "<p class='notice'>This page holds personal data: the identifiers of people, as they are.</p>",
        "</header>",
        _section(first, headed=False),
        f"<figure>{draw_svg(drawing, title)}<figcaption>{caption}</figcaption></figure>",
        *(_section(part) for part in others),
        f"<footer>cdp explain, project {_text(project)}, {tell_time(made_at)}. All times are UTC.</footer>",
    ]
    return (
        f"<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n<title>{_text(title)}</title>\n"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n" + "\n".join(body) + "\n</main>\n</body>\n</html>\n"
    )


def _section(part: Part, headed: bool = True) -> str:
    lines = ["<section>", f"<h2>{_text(part.heading)}</h2>" if headed else ""]
    lines += [f"<p>{_text(sentence)}</p>" for sentence in part.sentences]
    if part.rows:
        lines.append("<div class='table'><table><thead><tr>")
        lines += [f"<th>{_text(name)}</th>" for name in part.columns]
        lines.append("</tr></thead><tbody>")
        for row in part.rows:
            cells = "".join(_cell(name, cell) for name, cell in zip(part.columns, row, strict=True))
            lines.append(f"<tr>{cells}</tr>")
        lines.append("</tbody></table></div>")
    return "\n".join([*lines, "</section>"])


def _cell(name: str, cell: str) -> str:
    return f"<td class='number'>{_text(cell)}</td>" if name in NUMBERS else f"<td>{_text(cell)}</td>"


def _text(value: str) -> str:
    """A value as text in which there is no markup."""
    return escape(visible(value))
