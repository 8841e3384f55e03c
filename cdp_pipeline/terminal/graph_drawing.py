"""The links around identifiers, drawn: matplotlib draws them, and the result is SVG.

The same drawing gives the same picture, byte for byte: nothing in it is random, and it names no time and no host.
"""

import io
import re
import warnings
from collections.abc import Mapping
from html import escape
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.neighbourhood import Dot, Drawing, Line
from cdp_pipeline.terminal import visible
from cdp_pipeline.terminal.graph_layout import WIDTH, Places, place_dots

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_LABEL = 26
# Colours of the groups: those asked for first. From Okabe and Ito, who are told apart by colour-blind people too.
GROUPS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
OTHER_GROUP, NO_GROUP, INK, CUT = "#9aa5b1", "#ffffff", "#1f2933", "#b00020"
LOOKS: Mapping[str, dict[str, Any]] = {
    "in use": {"color": "#7b8794", "linestyle": "-"},
    "decided": {"color": "#6b46c1", "linestyle": "-"},
    "refused": {"color": "#d64545", "linestyle": "--"},
    "unstitched": {"color": "#b7791f", "linestyle": ":"},
    "quarantine": {"color": "#7b8794", "linestyle": ":"},
    "left out": {"color": "#7b8794", "linestyle": (0, (1, 4))},
}
LEGEND = {
    "in use": "link in use",
    "decided": "decided by an operator",
    "refused": "refused link",
    "unstitched": "unstitched by an operator",
    "quarantine": "link of an identifier in quarantine",
    "left out": "steps left out",
}


def need_drawing() -> None:
    """Makes sure that pictures can be drawn.

    Raises:
        UsageError: what draws them is not installed.
    """
    if find_spec("matplotlib") is None:
        raise UsageError("Drawing needs the package matplotlib. Install it with: pip install 'cdp-pipeline[drawing]'")


def draw_svg(drawing: Drawing, title: str) -> str:
    """The drawing as an SVG element that stands in HTML as it is."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "cdp", "font.family": "sans-serif", "font.size": 9}
    with rc_context(settings), warnings.catch_warnings():
        # The reader's browser has glyphs that matplotlib's own font, by which it measures, may lack.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        places, height = place_dots(drawing)
        figure = Figure(figsize=(WIDTH, height))
        FigureCanvasSVG(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        _draw(axes, drawing, places)
        sink = io.StringIO()
        nothing: dict[str, Any] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(sink, format="svg", metadata=nothing, bbox_inches="tight", pad_inches=0.15)
    return _inline(sink.getvalue(), title)


def _inline(text: str, title: str) -> str:
    """The element alone, without what only a file of its own needs; it takes the width that it is given."""
    svg = text[text.index("<svg") :]
    head, rest = svg.split(">", 1)
    head = re.sub(r'\s(xmlns(:\w+)?|version|width|height)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{escape(visible(title))}">{rest}'


def _draw(axes: "Axes", drawing: Drawing, places: Places) -> None:
    colours = _colours(drawing)
    for line in drawing.lines:
        _draw_line(axes, line, places)
    for dot, (x, y) in zip(drawing.dots, places, strict=True):
        colour = colours.get(dot.group_id, OTHER_GROUP) if dot.group_id is not None else NO_GROUP
        size = 190 if dot.asked else 110 if dot.on_chain else 70
        edge = INK if dot.asked or dot.on_chain or dot.quarantined else "#52606d"
        width = 2.6 if dot.asked else 1.4 if dot.on_chain else 0.8
        axes.scatter([x], [y], s=size * 1.5 if dot.quarantined else size, marker="h" if dot.quarantined else "o",
                     c=[colour], edgecolors=[edge], linewidths=[width], zorder=3)  # fmt: skip
        axes.annotate(_label(dot), (x, y), (0, -9 if not dot.asked else -12), textcoords="offset points", ha="center",
                      va="top", zorder=4, color=INK, parse_math=False, fontsize=8,
                      fontweight="bold" if dot.asked else "normal",
                      bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75})  # fmt: skip
    axes.margins(0.06, 0.1)
    _draw_legend(axes, drawing)


def _draw_line(axes: "Axes", line: Line, places: Places) -> None:
    (x1, y1), (x2, y2) = places[line.one], places[line.other]
    if line.on_chain and line.use != "left out":
        axes.plot([x1, x2], [y1, y2], color="#ffd166", linewidth=9, solid_capstyle="round", zorder=1)
    axes.plot([x1, x2], [y1, y2], linewidth=1.8 if line.on_chain else 1.1, zorder=2, **LOOKS[line.use])
    middle = ((x1 + x2) / 2, (y1 + y2) / 2)
    if line.in_cut:
        axes.scatter([middle[0]], [middle[1]], marker="x", s=130, c=CUT, linewidths=3, zorder=5)
    if line.left_out:
        axes.annotate(f"{line.left_out:,} steps", middle, ha="center", va="center", color=INK, fontsize=8, zorder=4)


def _colours(drawing: Drawing) -> dict[UUID, str]:
    """A colour for each group: of those asked for first, then of the largest."""
    groups = [dot.group_id for dot in drawing.dots if dot.group_id is not None]
    asked = [dot.group_id for dot in drawing.dots if dot.asked and dot.group_id is not None]
    largest = sorted(dict.fromkeys(groups), key=lambda group: (-groups.count(group), str(group)))
    return dict(zip(dict.fromkeys([*asked, *largest]), GROUPS, strict=False))


def _draw_legend(axes: "Axes", drawing: Drawing) -> None:
    from matplotlib.lines import Line2D

    uses = {line.use for line in drawing.lines}
    handles = [Line2D([], [], label=LEGEND[use], linewidth=1.6, **look) for use, look in LOOKS.items() if use in uses]
    if any(line.on_chain for line in drawing.lines):
        handles.append(Line2D([], [], color="#ffd166", linewidth=8, label="the chain between the two"))
    if any(line.in_cut for line in drawing.lines):
        handles.append(Line2D([], [], color=CUT, marker="x", markeredgewidth=3, linestyle="", label="would part them"))
    if any(dot.quarantined for dot in drawing.dots):
        handles.append(Line2D([], [], color="white", marker="h", markeredgecolor=INK, markersize=11, linestyle="",
                              label="identifier in quarantine"))  # fmt: skip
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=4, frameon=False, fontsize=8)


def _label(dot: Dot) -> str:
    """The name of a dot, shortened in the middle."""
    name = visible(f"{dot.type}:{dot.value}")
    if len(name) <= LONGEST_LABEL:
        return name
    half = (LONGEST_LABEL - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
