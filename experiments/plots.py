"""Figures without pyplot: nothing opens a window."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from PIL import Image

from experiments.data import Data
from relucensus import Problem
from relucensus.geometry.decision import decision_segments
from relucensus.geometry.planar import polygons_of

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f")
_PALE: Final = ("#cfe4f5", "#fbdccb", "#cdeee0")
_DPI: Final = 80
_PALETTE: Final = 64


def figure(rows: int, columns: int, *, height: float = 3.0, each: float = 4.0) -> tuple[Figure, list[Axes]]:
    """A figure of panels, row by row; `height` and `each` are the inches of a panel."""
    drawing = Figure((each * columns, height * rows), layout="constrained")
    return drawing, list(drawing.subplots(rows, columns, squeeze=False).ravel())


def by_epoch(axes: Axes, label: str = "epoch") -> None:
    """Let the horizontal axis be epochs or steps from 0 on, logarithmic from 1 on."""
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(left=0)
    axes.set_xlabel(label)


def save(drawing: Figure, path: Path, dpi: int = _DPI) -> None:
    """Write a figure as a PNG of few colours, which keeps the file small."""
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=dpi)
    with Image.open(buffer) as image:
        image.convert("RGB").quantize(_PALETTE, dither=Image.Dither.NONE).save(path, optimize=True)


def draw_regions(axes: Axes, problem: Problem, data: Data, shown: int = 250) -> int:
    """Draw the regions in the colour of their class, the decision boundary and some data; returns how many regions.

    The class of a region is the largest output in its middle.
    """
    polygons = polygons_of(problem)
    centres = polygons.centres
    values = np.einsum("noc,nc->no", polygons.maps[:, :, :2], centres) + polygons.maps[:, :, 2]
    corners = np.split(polygons.points, polygons.offsets[1:-1])
    colours = [_PALE[number] for number in values.argmax(axis=1)]
    width = float(np.clip(15 / np.sqrt(len(polygons)), 0.15, 0.6))
    axes.add_collection(PolyCollection(corners, facecolors=colours, edgecolors="#555555", linewidths=width))
    axes.add_collection(LineCollection(list(decision_segments(polygons)), colors="black", linewidths=1.6))
    points, classes = data.points[:shown], data.classes[:shown]
    axes.scatter(points[:, 0], points[:, 1], s=2, c=[COLOURS[number] for number in classes], zorder=3)
    box = problem.free.box
    axes.set(xlim=(box.lower[0], box.upper[0]), ylim=(box.lower[1], box.upper[1]))
    axes.set(xticks=[], yticks=[], aspect="equal")
    return len(polygons)
