"""The polygons of a plane, their edges and the decision boundary, drawn on matplotlib axes.

What has one colour is one path, which keeps files small and drawing quick.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal

from relucensus_client import _parts
from relucensus_client._looks import Look, hex_colour, layer_colour

if TYPE_CHECKING:
    from relucensus_client._picture import Picture

Colour = Literal["region", "output", "layer", "map", "none"]

_LEVELS: Final = 48
_SHADES: Final = 6


def draw_polygons(picture: Picture, axes: Any, look: Look, colour: str, output: int) -> None:
    """Fill the polygons."""
    if colour == "none":
        return
    numpy = _parts.package("numpy", "drawing")
    classes, shades, scale = _classes(picture, look, colour, output)
    for number, shade in enumerate(shades):
        chosen = numpy.flatnonzero(classes == number)
        if len(chosen):
            _place(axes, _filled(picture, chosen, shade))
    if scale is not None:
        bar = axes.figure.colorbar(scale, ax=axes, shrink=0.85)
        bar.set_label(f"output {output} in the middle of the region", color=look.ink)
        bar.ax.tick_params(colors=look.ink, labelsize=8)
        bar.outline.set_edgecolor(look.faint)


def _classes(picture: Picture, look: Look, colour: str, output: int) -> tuple[Any, list[str], Any]:
    """The number of the colour of each region, the colours, and for values the scale."""
    numpy = _parts.package("numpy", "drawing")
    if colour == "output":
        return _levels(picture.values[:, output])
    if colour == "layer":
        last = numpy.maximum.reduceat(picture.side_layers, picture.offsets[:-1])
        return last + 1, [look.faint, *(_mixed(layer_colour(k), look.paper, 0.55) for k in range(picture.layers))], None
    hues = [k / (2 * _SHADES) for k in range(2 * _SHADES)]
    shades = [hex_colour(hue, lightness, look.saturation) for lightness in look.lightness for hue in hues]
    if colour == "map":
        return picture.map_of * 7 % len(shades), shades, None
    # Neighbours differ in the symbol of one row as a rule, so that the parity of active rows tells them apart.
    parity = picture.symbols.sum(axis=1) % 2 if len(picture.document["row_layers"]) else numpy.zeros(1, dtype=int)
    spread = numpy.arange(len(picture)) * 5 % len(hues)
    return parity * len(hues) + spread, shades, None


def _levels(values: Any) -> tuple[Any, list[str], Any]:
    """Values in so many steps of a colour map; one with a middle where both signs occur."""
    numpy, matplotlib = _parts.package("numpy", "drawing"), _parts.package("matplotlib", "drawing")
    colours = _parts.package("matplotlib.colors", "drawing")
    least, most = float(values.min()), float(values.max())
    diverging = least < 0 < most
    if diverging:
        least, most = -max(-least, most), max(-least, most)
    if least == most:
        least, most = least - 1, most + 1
    colour_map = matplotlib.colormaps["RdBu_r" if diverging else "viridis"]
    scale = _parts.package("matplotlib.cm", "drawing").ScalarMappable(colours.Normalize(least, most), colour_map)
    levels = numpy.clip((values - least) / (most - least) * _LEVELS, 0, _LEVELS - 1).astype(int)
    return levels, [colours.to_hex(colour_map((k + 0.5) / _LEVELS)) for k in range(_LEVELS)], scale


def _filled(picture: Picture, chosen: Any, shade: str) -> Any:
    """These polygons as one filled path."""
    numpy = _parts.package("numpy", "drawing")
    paths, patches = _parts.package("matplotlib.path", "drawing"), _parts.package("matplotlib.patches", "drawing")
    sizes = picture.offsets[chosen + 1] - picture.offsets[chosen]
    ends = numpy.cumsum(sizes + 1)
    codes = numpy.full(ends[-1], paths.Path.LINETO, dtype="uint8")
    codes[ends - sizes - 1] = paths.Path.MOVETO
    codes[ends - 1] = paths.Path.CLOSEPOLY
    within = numpy.arange(ends[-1]) - numpy.repeat(ends - sizes - 1, sizes + 1)
    which = numpy.repeat(picture.offsets[chosen], sizes + 1) + within % numpy.repeat(sizes, sizes + 1)
    path = paths.Path(picture.vertices[picture.rings[which]], codes)
    return patches.PathPatch(path, facecolor=shade, edgecolor=shade, lw=0.3, zorder=1)


def draw_edges(picture: Picture, axes: Any, look: Look) -> None:
    """Every side once, those of one layer as one path."""
    numpy = _parts.package("numpy", "drawing")
    paths, patches = _parts.package("matplotlib.path", "drawing"), _parts.package("matplotlib.patches", "drawing")
    after = numpy.arange(1, len(picture.rings) + 1)
    after[picture.offsets[1:] - 1] = picture.offsets[:-1]
    ends = numpy.sort(numpy.stack([picture.rings, picture.rings[after]], axis=1), axis=1)
    sides = numpy.unique(numpy.column_stack([picture.side_layers, ends]), axis=0)
    width = min(1.1, max(0.25, 30 / math.sqrt(len(picture) + 1)))
    for layer in reversed(range(picture.layers)):
        mine = sides[sides[:, 0] == layer, 1:]
        if len(mine):
            codes = numpy.tile([paths.Path.MOVETO, paths.Path.LINETO], len(mine))
            path = paths.Path(picture.vertices[mine.ravel()], codes)
            colour = layer_colour(layer)
            _place(axes, patches.PathPatch(path, fill=False, edgecolor=colour, lw=width, zorder=2))
    if picture.layers > 1:
        _layer_legend(picture, axes, look)


def _place(axes: Any, patch: Any) -> None:
    """Add a large path to the axes, whose limits are known: matplotlib need not look for them in it, which is slow."""
    patch.set_in_layout(False)
    axes.add_artist(patch)


def _layer_legend(picture: Picture, axes: Any, look: Look) -> None:
    lines = _parts.package("matplotlib.lines", "drawing")
    handles = [
        lines.Line2D([], [], color=layer_colour(k), lw=1.5, label=f"layer {k + 1}") for k in range(picture.layers)
    ]
    legend = axes.figure.legend(
        handles=handles, loc="outside lower center", ncols=min(6, picture.layers), frameon=False, fontsize=8
    )
    for text in legend.get_texts():
        text.set_color(look.ink)


def draw_decision(picture: Picture, axes: Any, look: Look) -> None:
    """The decision boundary, with a halo so that it stands out from the edges."""
    collections = _parts.package("matplotlib.collections", "drawing")
    effects = _parts.package("matplotlib.patheffects", "drawing")
    halo = [effects.Stroke(linewidth=4, foreground=look.paper, alpha=0.8), effects.Normal()]
    axes.add_collection(
        collections.LineCollection(
            picture.decision, colors=look.ink, lw=1.8, zorder=4, path_effects=halo, capstyle="round"
        )
    )


def _mixed(one: str, other: str, share: float) -> str:
    """A colour between two: so much of the other."""
    pairs = ((int(one[k : k + 2], 16), int(other[k : k + 2], 16)) for k in (1, 3, 5))
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)
