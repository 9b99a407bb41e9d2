"""How pictures look: paper, ink and colours in light and in dark, and figures that open no window."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any, Final, Literal

from relucensus_client import _parts

Theme = Literal["light", "dark"]

_DPI: Final = 100
_LAYERS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6bb1", "#7f7f7f")
_DEEP: Final = ("#1f4e9c", "#c1272d", "#1a7f37", "#8250df", "#bf8700", "#0b7285", "#a61e6f", "#555555")
_BRIGHT: Final = ("#6ea8fe", "#ff8787", "#69db7c", "#b197fc", "#ffd43b", "#3bc9db", "#f783ac", "#ced4da")


@dataclass(frozen=True, slots=True)
class Look:
    """Colours of a theme; `lightness` and `saturation` are those of polygons, `classes` the colours of data."""

    paper: str
    ink: str
    faint: str
    lightness: tuple[float, float]
    saturation: float
    classes: tuple[str, ...]


LOOKS: Final = {
    "light": Look("#ffffff", "#1a1a1a", "#b0b0b0", (0.90, 0.80), 0.55, _DEEP),
    "dark": Look("#16181d", "#e8e8e8", "#5a5f6a", (0.26, 0.36), 0.40, _BRIGHT),
}


def layer_colour(number: int) -> str:
    """The colour of the boundaries that a layer makes."""
    return _LAYERS[number % len(_LAYERS)]


def hex_colour(hue: float, lightness: float, saturation: float) -> str:
    """The colour with this hue, lightness and saturation."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, lightness, saturation))


def new_figure(width: int, height: int, look: Look) -> Any:
    """A figure of this size in pixels, without pyplot.

    Raises:
        MissingPart: matplotlib is not installed.
    """
    _parts.package("matplotlib", "drawing")
    figures = _parts.package("matplotlib.figure", "drawing")
    return figures.Figure((width / _DPI, height / _DPI), dpi=_DPI, facecolor=look.paper, layout="constrained")
