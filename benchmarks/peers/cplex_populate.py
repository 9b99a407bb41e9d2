"""CPLEX populate: all solutions of the formulation in `big_m`, with the most intensive solution pool."""

from __future__ import annotations

import cplex
from cplex.exceptions import CplexError

from peers import Layers, Limits, Stopped, Unsupported, Vector
from peers.big_m import FEASIBILITY, SLACK, Hidden, hidden_layers

MOST = 2_100_000_000
POPULATED_ALL = {101, 102, 103, 128, 129, 130}  # optimal, infeasible, populate ended
Row = tuple[list[int], list[float]]


def count(layers: Layers, lower: Vector, upper: Vector, limits: Limits) -> int:
    """Solutions in the pool."""
    model = cplex.Cplex()
    for stream in (model.set_log_stream, model.set_results_stream, model.set_warning_stream, model.set_error_stream):
        stream(None)
    activation = list(model.variables.add(lb=lower.tolist(), ub=upper.tolist()))
    for layer in hidden_layers(layers, lower, upper):
        activation = add_layer(model, layer, activation)
    parameters = model.parameters
    parameters.threads.set(1)
    parameters.mip.pool.intensity.set(4)
    parameters.mip.pool.capacity.set(MOST)
    parameters.mip.pool.absgap.set(1e75)
    parameters.mip.limits.populate.set(MOST)
    parameters.mip.tolerances.integrality.set(FEASIBILITY)
    parameters.simplex.tolerances.feasibility.set(FEASIBILITY)
    parameters.timelimit.set(limits.seconds)
    try:
        model.populate_solution_pool()
    except CplexError as error:
        raise Unsupported(str(error)) from error
    found = int(model.solution.pool.get_num())
    if model.solution.get_status() not in POPULATED_ALL:
        raise Stopped(found)
    return found


def add_layer(model: cplex.Cplex, layer: Hidden, activation: list[int]) -> list[int]:
    """Add the variables and rows of one layer; the columns of its activations."""
    width = len(layer.bias)
    positive = list(model.variables.add(ub=layer.above.tolist()))
    negative = list(model.variables.add(ub=layer.below.tolist()))
    binary = list(model.variables.add(types="B" * width))
    rows: list[Row] = []
    senses, sides = "", []
    for index, weights in enumerate(layer.weights):
        p, q, s = positive[index], negative[index], binary[index]
        rows.append(([*activation, p, q], [*weights.tolist(), -1.0, 1.0]))
        rows.append(([p, s], [1.0, -float(layer.above[index])]))
        rows.append(([q, s], [1.0, float(layer.below[index])]))
        rows.append(([p, q], [1.0, 1.0]))
        senses += "ELLG"
        sides += [-float(layer.bias[index]), 0.0, float(layer.below[index]), SLACK]
    model.linear_constraints.add(lin_expr=[list(row) for row in rows], senses=senses, rhs=sides)
    return positive
