"""Gurobi's solution pool: all solutions of the formulation in `big_m`, in one search tree (PoolSearchMode 2)."""

from __future__ import annotations

import gurobipy as gp
from gurobipy import GRB

from peers import Layers, Limits, Stopped, Unsupported, Vector
from peers.big_m import FEASIBILITY, SLACK, hidden_layers

ENVIRONMENT = gp.Env(params={"OutputFlag": 0})


def count(layers: Layers, lower: Vector, upper: Vector, limits: Limits) -> int:
    """Solutions in the pool: one for each assignment of the binaries."""
    model = gp.Model(env=ENVIRONMENT)
    activation = model.addMVar(len(lower), lb=lower, ub=upper)
    for layer in hidden_layers(layers, lower, upper):
        width = len(layer.bias)
        positive = model.addMVar(width, ub=layer.above)
        negative = model.addMVar(width, ub=layer.below)
        binary = model.addMVar(width, vtype=GRB.BINARY)
        model.addConstr(layer.weights @ activation + layer.bias == positive - negative)
        model.addConstr(positive <= layer.above * binary)
        model.addConstr(negative <= layer.below * (1 - binary))
        model.addConstr(positive + negative >= SLACK)
        activation = positive
    model.Params.PoolSearchMode = 2
    model.Params.PoolSolutions = 2_000_000_000
    model.Params.Threads = 1
    model.Params.IntFeasTol = FEASIBILITY
    model.Params.FeasibilityTol = FEASIBILITY
    model.Params.TimeLimit = limits.seconds
    try:
        model.optimize()
    except gp.GurobiError as error:
        raise Unsupported(str(error)) from error
    if model.Status == GRB.TIME_LIMIT:
        raise Stopped(model.SolCount)
    return int(model.SolCount)
