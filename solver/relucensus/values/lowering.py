"""Any piecewise-linear network as one whose activations are hinges: at most one breakpoint, at zero.

A neuron with breakpoints t_1 .. t_T and slopes s_0 .. s_T becomes T rows with preactivations ``z - t_k``, since

    act(z) = act(t_1) + [s_0 or s_1](z - t_1) + sum_{k >= 2} (s_k - s_{k-1}) max(z - t_k, 0).

The rows' symbols are those of the breakpoints, so the regions are the same ones, and a neuron's symbol is the sum of
its rows' symbols. Engines see lowered networks only: one symbol, 0 or 1, a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from flint import fmpz_mat

from relucensus.arithmetic import AffineMap
from relucensus.values.activation import Activation
from relucensus.values.network import Layer, Network


@dataclass(frozen=True, eq=False)
class Lowering:
    """The network of hinges, and per hidden layer the neuron that each row belongs to."""

    network: Network
    neurons: tuple[tuple[int, ...], ...]

    def symbols(self, pattern: bytes) -> bytes:
        """The symbols of the neurons, given those of the rows."""
        out = bytearray()
        position = 0
        for rows in self.neurons:
            layer = bytearray(1 + max(rows))
            for neuron in rows:
                layer[neuron] += pattern[position]
                position += 1
            out += layer
        return bytes(out)


def lowered(network: Network) -> Lowering:
    """The same function with hinges only; the network itself where it has no others."""
    if all(activation.is_hinge for layer in network.hidden for activation in layer.activations):
        return Lowering(network, tuple(tuple(range(layer.rows)) for layer in network.hidden))
    layers: list[Layer] = []
    groups: list[tuple[int, ...]] = []
    before: AffineMap | None = None
    for layer in network.hidden:
        exact = layer.exact if before is None else layer.exact.after(before)
        row_activations = layer.row_activations
        group = [neuron for neuron, one in enumerate(row_activations) for _ in range(max(1, len(one.breakpoints)))]
        hinges = [hinge for one in row_activations for hinge in _hinges(one)]
        shifts = AffineMap.diagonal([Fraction(1)] * len(hinges), [-shift for shift, _ in hinges])
        layers.append(
            Layer.from_exact(shifts.after(exact.selected(group)), activations=tuple(hinge for _, hinge in hinges))
        )
        groups.append(tuple(group))
        before = _gathered(row_activations, group)
    output = network.output if before is None else Layer.from_exact(network.output.exact.after(before))
    return Lowering(Network(tuple(layers), output), tuple(groups))


def _hinges(activation: Activation) -> list[tuple[Fraction, Activation]]:
    """(shift, hinge) of every row of a neuron: the hinges of the shifted preactivations sum up to the activation."""
    if not activation.breakpoints:
        return [(Fraction(0), Activation((), activation.slopes))]
    zero = (Fraction(0),)
    slopes = activation.slopes
    rows = [(activation.breakpoints[0], Activation(zero, slopes[:2]))]
    for k, breakpoint_ in enumerate(activation.breakpoints[1:], start=1):
        rows.append((breakpoint_, Activation(zero, (Fraction(0), slopes[k + 1] - slopes[k]))))
    return rows


def _gathered(activations: tuple[Activation, ...], group: list[int]) -> AffineMap:
    """The neurons' activations as functions of their rows' activations."""
    values = AffineMap.diagonal([Fraction(1)] * len(activations), [one.value for one in activations])
    ones = fmpz_mat(len(activations), len(group))
    for row, neuron in enumerate(group):
        ones[neuron, row] = 1
    return values.after(AffineMap(ones, fmpz_mat(len(activations), 1), 1))
