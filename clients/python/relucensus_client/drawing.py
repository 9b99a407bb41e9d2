"""Pictures of regions, of functions on a line and of counts over a training, with matplotlib, which is an extra.

Where no axes are given, figures are made without pyplot: nothing opens a window, and any thread may draw.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, get_args

from relucensus_client import _parts
from relucensus_client._drawn_plane import Colour, draw_decision, draw_edges, draw_polygons
from relucensus_client._errors import InvalidArgument
from relucensus_client._looks import LOOKS, Look, Theme, layer_colour, new_figure

if TYPE_CHECKING:
    from relucensus_client._picture import Picture

FORMATS: Final = ("png", "svg")
_LEAST, _MOST = 64, 4096


def draw(  # noqa: PLR0913 - keyword-only, and what callers write
    picture: Picture,
    axes: Any = None,
    *,
    colour: Colour = "region",
    output: int = 0,
    edges: bool = True,
    decision: bool = False,
    points: Any = None,
    labels: Any = None,
    theme: Theme = "light",
    title: str | None = None,
) -> Any:
    """Draws a picture on matplotlib axes, new ones unless given, and returns them.

    Args:
        picture: of a plane, drawn as polygons, or of a line, drawn as the outputs with their breakpoints marked.
        axes: where to draw.
        colour: polygons by region (neighbours differ), by the value of an output in the middle, by the last layer that
            bounds the region, by affine map, or not at all.
        output: the number of the output whose value is shown.
        edges: whether to draw the boundaries, coloured by the layer that made them.
        decision: whether to draw the decision boundary of a plane.
        points: data to draw on top, (n, 2) in the picture's coordinates; on a line (n, 2) as well: position and value.
        labels: a label a point; each has its colour.
        theme: light or dark.
        title: above the picture; the number of regions unless given.

    Raises:
        InvalidArgument: an option has a value that does not exist.
        MissingPart: matplotlib is not installed.
    """
    _check(picture, colour, output, theme)
    look = LOOKS[theme]
    if axes is None:
        axes = new_figure(640, 560, look).add_subplot()
    if picture.kind == "line":
        _draw_line(picture, axes, look, edges)
    else:
        draw_polygons(picture, axes, look, colour, output)
        if edges:
            draw_edges(picture, axes, look)
        if decision:
            draw_decision(picture, axes, look)
        axes.set_xlim(picture.document["lower"][0], picture.document["upper"][0])
        axes.set_ylim(picture.document["lower"][1], picture.document["upper"][1])
        axes.set_ylabel(picture.coordinates[1])
    if points is not None:
        _draw_points(axes, points, labels, look)
    axes.set_xlabel(picture.coordinates[0])
    axes.set_title(f"{len(picture):,} activation regions" if title is None else title)
    _dress(axes, look)
    return axes


def rendered(picture: Picture, format: str, *, width: int = 800, height: int = 720, **options: Any) -> bytes:
    """The picture as the bytes of a PNG or SVG file of this size in pixels; the options are those of `draw`.

    Raises:
        InvalidArgument: another format, or a size that is not from 64 to 4096.
        MissingPart: matplotlib is not installed.
    """
    if format not in FORMATS:
        raise InvalidArgument(f"format is {format!r}; known are {', '.join(FORMATS)}")
    if not all(_LEAST <= size <= _MOST for size in (width, height)):
        raise InvalidArgument(f"the size is {width} x {height}; needed are from {_LEAST} to {_MOST} pixels")
    look = LOOKS.get(options.get("theme", "light"), LOOKS["light"])
    figure = new_figure(width, height, look)
    draw(picture, figure.add_subplot(), **options)
    out = io.BytesIO()
    metadata = {"Date": None} if format == "svg" else None
    with _settings():
        figure.savefig(out, format=format, facecolor=figure.get_facecolor(), metadata=metadata)
    return out.getvalue()


def draw_history(  # noqa: PLR0913 - keyword-only, and what callers write
    history: Any,
    axes: Any = None,
    *,
    step: str = "step",
    value: str = "count",
    series: str = "definition",
    status: str = "status",
    theme: Theme = "light",
) -> Any:
    """Draws counts against training step, a line for each definition, and returns the axes.

    Args:
        history: a tidy table, one count a row: a pandas DataFrame, a mapping of columns, or a list of mappings.
        axes: where to draw; new ones unless given.
        step, value, series, status: the names of its columns; without the last two it is one line of exact counts.
            A count that is not exact is a lower bound, and drawn as a hollow triangle pointing up.
        theme: light or dark.

    Raises:
        InvalidArgument: a column is missing.
        MissingPart: matplotlib is not installed.
    """
    if theme not in LOOKS:
        raise InvalidArgument(f"theme is {theme!r}; known are {', '.join(LOOKS)}")
    look = LOOKS[theme]
    rows = _rows_of(history, (step, value))
    if axes is None:
        axes = new_figure(720, 480, look).add_subplot()
    names = list(dict.fromkeys(str(row.get(series, value)) for row in rows))
    for number, name in enumerate(names):
        mine = sorted((row for row in rows if str(row.get(series, value)) == name), key=lambda row: row[step])
        shade = layer_colour(number)
        counted = [row for row in mine if row[value] is not None]
        wider = len(names) - 1 - number  # lines that coincide, as definitions often do, are all seen
        width = 1.4 + 1.2 * wider
        axes.plot([row[step] for row in counted], [row[value] for row in counted], color=shade, lw=width, zorder=2)
        for exact, marker in ((True, "o"), (False, "^")):
            some = [row for row in counted if (row.get(status, "exact") == "exact") == exact]
            label = (name if exact else f"{name}, lower bound").replace("_", " ")
            axes.plot(
                [row[step] for row in some],
                [row[value] for row in some],
                ls="none",
                marker=marker,
                ms=(4 if exact else 7) + 1.8 * wider,
                color=shade,
                mfc=shade if exact else "none",
                label=label if some else None,
                zorder=3,
            )
    axes.set_xlabel(step)
    axes.set_ylabel("regions")
    axes.set_title("Counts over the training")
    axes.grid(visible=True, color=look.faint, alpha=0.4, lw=0.5)
    if names:
        axes.legend(frameon=False, labelcolor=look.ink, fontsize=9)
    _dress(axes, look)
    return axes


def _check(picture: Picture, colour: str, output: int, theme: str) -> None:
    for name, value, known in (("colour", colour, get_args(Colour)), ("theme", theme, tuple(LOOKS))):
        if value not in known:
            raise InvalidArgument(f"{name} is {value!r}; known are {', '.join(known)}")
    outputs = picture.document["outputs"]
    if not 0 <= output < outputs:
        raise InvalidArgument(f"output is {output}; the network has the outputs 0 to {outputs - 1}")


@contextmanager
def _settings() -> Iterator[None]:
    """Text stays text, and the same picture gives the same file."""
    matplotlib = _parts.package("matplotlib", "drawing")
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "relucensus", "path.simplify": False}):
        yield


def _draw_points(axes: Any, points: Any, labels: Any, look: Look) -> None:
    numpy = _parts.package("numpy", "drawing")
    places = numpy.asarray(points, dtype=float)
    if places.ndim != 2 or places.shape[1] != 2:
        raise InvalidArgument(f"points have shape {list(places.shape)}; needed are pairs")
    names = numpy.zeros(len(places), dtype=int) if labels is None else numpy.asarray(labels).ravel()
    if len(names) != len(places):
        raise InvalidArgument(f"there are {len(places)} points and {len(names)} labels; needed is a label a point")
    for number, name in enumerate(numpy.unique(names)):
        mine = places[names == name]
        shade = look.classes[number % len(look.classes)]
        label = None if labels is None else str(name)
        axes.scatter(*mine.T, s=14, color=shade, edgecolors=look.paper, linewidths=0.5, zorder=5, label=label)
    if labels is not None:
        axes.legend(loc="upper right", fontsize=8, framealpha=0.85, facecolor=look.paper, labelcolor=look.ink)


def _draw_line(picture: Picture, axes: Any, look: Look, edges: bool) -> None:
    for number in range(picture.document["outputs"]):
        shade = look.ink if picture.document["outputs"] == 1 else look.classes[number % len(look.classes)]
        axes.plot(picture.positions, picture.values[:, number], color=shade, lw=1.4, zorder=3, label=f"output {number}")
    if edges:
        for layer in range(picture.layers):
            mine = picture.positions[1:-1][picture.side_layers == layer]
            for number in range(picture.document["outputs"]):
                values = picture.values[1:-1, number][picture.side_layers == layer]
                label = f"breakpoint of layer {layer + 1}" if number == 0 and len(mine) else None
                axes.plot(mine, values, "o", ms=3.5, color=layer_colour(layer), zorder=4, label=label)
            axes.vlines(mine, 0, 1, transform=axes.get_xaxis_transform(), color=layer_colour(layer), lw=0.5, alpha=0.45)
    axes.set_xlim(picture.positions[0], picture.positions[-1])
    axes.set_ylabel("outputs" if picture.document["outputs"] > 1 else "output")
    axes.legend(frameon=False, fontsize=8, labelcolor=look.ink)


def _dress(axes: Any, look: Look) -> None:
    axes.set_facecolor(look.paper)
    axes.tick_params(colors=look.ink, labelsize=8)
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_color(look.ink)
    for spine in axes.spines.values():
        spine.set_color(look.faint)


def _rows_of(history: Any, needed: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a table."""
    if hasattr(history, "to_dict") and hasattr(history, "columns"):
        rows: list[dict[str, Any]] = history.to_dict("records")
    elif isinstance(history, Mapping):
        columns = {name: list(values) for name, values in history.items()}
        rows = [dict(zip(columns, entries, strict=True)) for entries in zip(*columns.values(), strict=True)]
    else:
        rows = [dict(row) for row in history]
    for name in needed:
        if any(name not in row for row in rows):
            raise InvalidArgument(f"the history has no column {name!r}; needed are {', '.join(needed)}")
    return rows
