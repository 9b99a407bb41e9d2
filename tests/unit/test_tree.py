"""Engine tree: proven bounds against exact values, ties, linear programs, cubes, budgets, digests."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest

from relucensus import Box, Budget, Definition, Layer, Network, Problem, count_regions
from relucensus.affine import Preactivations
from relucensus.arithmetic import AffineMap, RationalPoint
from relucensus.compiled import Directory, Floats, directory, entry, ints, symbols, table
from relucensus.engines.protocol import OpenCube
from relucensus.engines.tree import interior, simplex, state, ties
from relucensus.engines.tree.bounds import upper_bound
from relucensus.engines.tree.cones import cones
from relucensus.engines.tree.engine import Enumeration, TreeEngine
from relucensus.engines.tree.forms import prepare
from relucensus.engines.tree.kinship import kinds
from relucensus.engines.tree.state import (
    BOUNDS,
    CORNER,
    COST,
    ERROR,
    FORMS,
    HIGH,
    INSIDE,
    LOW,
    MULTIPLIERS,
    POINT,
    ROW_ERROR,
    ROW_SIZE,
    ROWS,
    SOLVE,
    STARTS,
    SYMBOLS,
    TIED,
    arrays_of,
)
from relucensus.residues import residues_of
from relucensus.rounded import RoundedNetwork
from relucensus.values.activation import RELU, Activation, leaky_relu
from relucensus.values.pattern import Cube

ONLY_REGIONS = (Definition.ACTIVATION_REGIONS,)


def random_network(
    seed: int, sizes: Sequence[int], activation: Activation = RELU, *, whole: bool = False, scale: float = 1.0
) -> Network:
    rng = np.random.default_rng(seed)
    layers = []
    for columns, rows in pairwise(sizes):
        weights = rng.integers(-2, 3, (rows, columns)) if whole else rng.normal(size=(rows, columns))
        bias = rng.integers(-1, 2, rows) if whole else rng.normal(size=rows) / 2
        layers.append((weights * scale, bias * scale))
    return Network.from_arrays(layers, activation)


def in_box(network: Network, definitions: tuple[Definition, ...] = ONLY_REGIONS) -> Problem:
    return Problem(network, Box.from_bounds(-1, 1, network.inputs), definitions)


def arrays_in(problem: Problem) -> state.Arrays:
    return arrays_of(RoundedNetwork.of(problem.free), kinds(problem.free.network), 1)


@entry
def _prepare_all(s: Directory) -> None:
    for layer in range(1, ints(s, STARTS).shape[0] - 1):
        prepare(s, layer)


@entry
def _touch(s: Directory, pattern: Floats) -> None:
    now = symbols(s, SYMBOLS)
    for i in range(now.shape[0]):
        now[i] = 1 if pattern[i] > 0.5 else 0


@pytest.mark.parametrize("activation", [RELU, leaky_relu(0.3)], ids=["relu", "leaky"])
@pytest.mark.parametrize("scale", [1.0, 1e-120, 1e60])
def test_errors_of_forms_are_within_their_bounds(activation: Activation, scale: float) -> None:
    problem = in_box(random_network(1, [3, 8, 8, 8, 6, 1], activation, scale=scale))
    rounded, preactivations = RoundedNetwork.of(problem.free), Preactivations(problem.free)
    arrays = arrays_in(problem)
    table_ = directory(arrays)
    rng = np.random.default_rng(2)
    pattern = rng.integers(0, 2, preactivations.neurons)
    worst = 0.0
    for step in range(60):
        flips = rng.integers(0, len(pattern), 1 + step % 3 if step % 10 else len(pattern))
        pattern[flips] ^= 1
        _touch(table_, pattern.astype(float))
        _prepare_all(table_)
        worst = max(worst, largest_share_of_error(preactivations, rounded, arrays, pattern.astype(np.uint8).tobytes()))
    assert worst <= 1
    assert worst > 1e-4 or scale < 1


def largest_share_of_error(
    preactivations: Preactivations, rounded: RoundedNetwork, arrays: dict[int, np.ndarray], pattern: bytes
) -> float:
    """The largest of the forms' true errors, summed over the coefficients, as a share of its proven bound.

    The errors of the constants alone have a bound of their own.
    """
    shares = []
    reference = [Fraction(r) for r in rounded.reference.tolist()]
    widths = [Fraction(w) for w in rounded.widths.tolist()]
    for layer, start in enumerate(preactivations.starts[:-1]):
        exact = preactivations.forms(layer, pattern).exact
        for i in range(exact.rows):
            scale = Fraction(2) ** rounded.hidden[layer].exponents[i] / int(exact.denominator)
            slopes = [int(exact.coefficients[i, c]) * scale for c in range(exact.columns)]
            constant = int(exact.constants[i, 0]) * scale + sum(map(lambda a, b: a * b, slopes, reference))
            values = [*map(lambda a, b: a * b, slopes, widths), constant]
            computed = [Fraction(v) for v in arrays[FORMS][:, start + i].tolist()]
            off = sum(abs(a - b) for a, b in zip(values, computed, strict=True))
            shares.append(float(off / Fraction(float(arrays[ERROR][start + i]))))
            shares.append(float(abs(constant - computed[-1]) / Fraction(float(arrays[state.OFF][start + i]))))
    return max(shares)


@entry
def _bounded(s: Directory, m: int, form: Floats) -> float:
    return upper_bound(s, m, 0, form, 0.0)


def test_an_upper_bound_is_not_below_the_exact_one() -> None:
    rng = np.random.default_rng(3)
    for d, m in [(1, 1), (2, 3), (5, 8), (30, 20)]:
        arrays = arrays_in(in_box(random_network(0, [d, 20, 1])))
        for _ in range(20):
            arrays[ROWS][:m] = rng.normal(size=(m, d + 1))
            arrays[ROW_SIZE][:m] = np.abs(arrays[ROWS][:m]).sum(axis=1)
            arrays[ROW_ERROR][:m] = 1e-13 * rng.random(m)
            arrays[MULTIPLIERS][:m] = np.maximum(rng.normal(size=m), 0) * 10.0 ** rng.integers(-9, 3, m)
            form = -arrays[MULTIPLIERS][:m] @ arrays[ROWS][:m] + rng.choice([0, 1e-14, 1.0], d + 1)
            weights = [Fraction(w) for w in arrays[MULTIPLIERS][:m].tolist()]
            combined = [
                Fraction(f) + sum(w * Fraction(v) for w, v in zip(weights, column, strict=True))
                for f, column in zip(form.tolist(), arrays[ROWS][:m].T.tolist(), strict=True)
            ]
            low, high = ([Fraction(v) for v in arrays[number][0].tolist()] for number in (LOW, HIGH))
            exact = combined[d] + sum(max(c * a, c * b) for c, a, b in zip(combined[:d], low, high, strict=True))
            exact += sum(w * Fraction(e) for w, e in zip(weights, arrays[ROW_ERROR][:m].tolist(), strict=True))
            size = np.abs(form).sum() + arrays[MULTIPLIERS][:m] @ arrays[ROW_SIZE][:m]
            bound = _bounded(directory(arrays), m, form)
            assert exact <= Fraction(bound)
            assert bound - float(exact) <= 1e-12 * size + 2.0**-800


@entry
def _largest(s: Directory, m: int, form: Floats) -> int:
    simplex.load(s, table(s, ROWS), m, form)
    status = simplex.improve(s, m, form.shape[0] - 1, -np.inf)
    simplex.vertex(s, m, form.shape[0] - 1, table(s, SOLVE)[0])
    simplex.multipliers(s, m, form.shape[0] - 1, table(s, SOLVE)[1])
    return status


@pytest.mark.parametrize(("d", "m"), [(1, 1), (2, 4), (5, 9), (9, 20), (13, 6), (40, 25)])
@pytest.mark.parametrize("whole", [False, True])
def test_a_linear_program_ends_at_a_vertex_that_its_multipliers_prove_best(d: int, m: int, whole: bool) -> None:
    rng = np.random.default_rng(4)
    feasible = 0
    arrays = arrays_in(in_box(random_network(0, [d, 30, 1])))
    arrays[SOLVE] = np.zeros((2, max(d, m) + 1))
    for _ in range(40):
        rows = rng.integers(-2, 3, (m, d + 1)).astype(float) if whole else rng.normal(size=(m, d + 1))
        rows[:, d] = np.abs(rows[:, d]) * rng.choice([1.0, 0.0, -0.1], m, p=[0.8, 0.15, 0.05])
        form = rng.integers(-2, 3, d + 1).astype(float) if whole else rng.normal(size=d + 1)
        arrays[ROWS][:m] = rows
        arrays[BOUNDS][0, :d], arrays[BOUNDS][1, :d] = -1, 1
        if _largest(directory(arrays), m, form) != simplex.FEASIBLE:
            continue
        feasible += 1
        point, weights = arrays[SOLVE][0, :d], arrays[SOLVE][1, :m]
        value = form[:d] @ point + form[d]
        assert (rows[:, :d] @ point + rows[:, d] > -1e-9).all()
        assert (np.abs(point) < 1 + 1e-9).all()
        assert (weights >= 0).all()
        combined = form + weights @ rows
        assert abs(combined[d] + np.abs(combined[:d]).sum() - value) < 1e-8 * (1 + weights.sum())
        assert abs(arrays[COST][-1] - value) < 1e-8 * (1 + abs(value))
    assert feasible >= 20


@entry
def _climbed(s: Directory, m: int, form: Floats) -> int:
    return interior.climb(s, table(s, ROWS)[:m], form, 0.0)


@pytest.mark.parametrize(("d", "m"), [(13, 1), (16, 9), (40, 25), (200, 12)])
def test_steps_inside_a_cell_find_a_point_beyond_a_hyperplane_or_multipliers_that_prove_none(d: int, m: int) -> None:
    rng = np.random.default_rng(5)
    arrays = arrays_in(in_box(random_network(0, [d, 30, 1])))
    arrays[BOUNDS][0, :d], arrays[BOUNDS][1, :d] = -1, 1
    seen = []
    for case in range(60):
        rows, form = rng.normal(size=(m, d + 1)), rng.normal(size=d + 1)
        point = rng.uniform(-1, 1, d)
        rows[:, d] = rng.uniform(1e-6, 1, m) - rows[:, :d] @ point
        form[d] = -rng.uniform(0, np.sqrt(d)) - form[:d] @ point
        if case % 3 == 0:
            form[d] = -1.1 * np.abs(form[:d]).sum()
            form = 0.1 * form - rng.random(m) @ rows
        arrays[ROWS][:m], arrays[POINT][:] = rows, point
        largest = arrays[COST][-1] if _largest(directory(arrays), m, form) == simplex.FEASIBLE else None
        code = _climbed(directory(arrays), m, form)
        seen.append(code)
        if code == interior.BEYOND:
            for place in (arrays[INSIDE], arrays[CORNER]):
                assert (np.abs(place) < 1).all()
                assert (rows[:, :d] @ place + rows[:, d] > 0).all()
            assert form[:d] @ arrays[INSIDE] + form[d] < 0 < form[:d] @ arrays[CORNER] + form[d]
            assert largest is None or largest > 0
        elif code == interior.BELOW:
            assert (arrays[MULTIPLIERS][:m] >= 0).all()
            combined = form + arrays[MULTIPLIERS][:m] @ rows
            assert combined[d] + np.abs(combined[:d]).sum() < 0
            assert largest is None or largest < 0
    assert seen.count(interior.BEYOND) >= 5
    assert seen.count(interior.BELOW) >= 5
    assert seen.count(interior.STUCK) <= 6


def test_steps_from_a_point_on_the_box_do_not_mislead() -> None:
    arrays = arrays_in(in_box(random_network(0, [13, 3, 1])))
    arrays[BOUNDS][0, :13], arrays[BOUNDS][1, :13] = -1, 1
    arrays[POINT][:] = -1
    assert _climbed(directory(arrays), 0, np.array([1.0] * 13 + [0.5])) == interior.STUCK


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("bias", [0, 1])
def test_cells_with_many_inputs_are_counted_as_by_brute_force(whole: bool, bias: int) -> None:
    layers = random_network(10, [20, 4, 3, 2, 1], whole=whole).layers
    problem = in_box(Network.from_arrays([(layer.weights, bias * layer.bias) for layer in layers]))
    results = [count_regions(problem, engine=engine) for engine in ("tree", "brute")]
    assert results[0].counts == results[1].counts


@entry
def _solved(s: Directory, n: int, right_off: float) -> bool:
    return ties._enclosed(s, n, right_off)


def test_the_solution_of_a_system_is_enclosed_and_a_singular_one_refused() -> None:
    rng = np.random.default_rng(5)
    accepted = 0
    for trial in range(200):
        n = 1 + trial % 6
        matrix = rng.integers(-3, 4, (n, n)).astype(float) if trial % 2 else rng.normal(size=(n, n))
        if trial % 5 == 0 and n > 1:
            matrix[0] = matrix[1] * (1 + rng.choice([0.0, 1e-14, 1e-9, 1e-5]))
        right, off = rng.normal(size=n), 1e-15 * rng.choice([0, 1, 1000])
        solve = np.zeros((4 + 3 * TIED, TIED))
        solve[0, :n], solve[2, :n], solve[4 : 4 + n, :n] = right, off, matrix
        known = _solved(directory({SOLVE: solve}), n, off)
        singular = abs(np.linalg.det(matrix)) < 1e-12
        if not known:
            assert singular or np.linalg.cond(matrix) > 1e3
            continue
        accepted += 1
        for sign in (-1, 0, 1):
            near = matrix + sign * off * rng.choice([-1, 0, 1], matrix.shape)
            exact = solved_exactly(near, right + sign * off)
            assert exact is not None
            radius = Fraction(float(solve[3, 0]))
            assert all(abs(x - Fraction(float(y))) <= radius for x, y in zip(exact, solve[1, :n], strict=True))
    assert accepted > 100


def solved_exactly(matrix: np.ndarray, right: np.ndarray) -> list[Fraction] | None:
    rows = [[Fraction(v) for v in (*row, b)] for row, b in zip(matrix.tolist(), right.tolist(), strict=True)]
    n = len(rows)
    for c in range(n):
        pivot = next((r for r in range(c, n) if rows[r][c]), None)
        if pivot is None:
            return None
        rows[c], rows[pivot] = rows[pivot], rows[c]
        rows[c] = [v / rows[c][c] for v in rows[c]]
        for r in range(n):
            if r != c:
                rows[r] = [a - rows[r][c] * b for a, b in zip(rows[r], rows[c], strict=True)]
    return [row[n] for row in rows]


@pytest.mark.parametrize("activation", [RELU, leaky_relu(0.5)], ids=["relu", "leaky"])
def test_digests_are_equal_where_exact_maps_are(activation: Activation) -> None:
    for seed in range(4):
        problem = in_box(random_network(seed, [2, 3, 3, 2, 2], activation, whole=True)).free
        preactivations, residues = Preactivations(problem), residues_of(problem.network)
        by_digest: dict[bytes, str] = {}
        by_map: dict[str, bytes] = {}
        patterns = [bytes(symbols_) for symbols_ in product((0, 1), repeat=preactivations.neurons)]
        np.random.default_rng(seed).shuffle(patterns)
        for pattern in patterns:
            digest, text = residues.digest(pattern), preactivations.output_map(pattern).canonical_text()
            assert by_digest.setdefault(digest, text) == text
            assert by_map.setdefault(text, digest) == digest
        assert 1 < len(by_map) < len(patterns) or activation != RELU


@pytest.mark.parametrize("engine", ["tree", "brute", "skeleton", "milp"])
@pytest.mark.parametrize("factor", [(2**61 - 1) * (2**57 - 13), 2**61 - 1, 3 * 2**200])
def test_maps_that_differ_by_a_multiple_of_a_prime_are_two_pieces(engine: str, factor: int) -> None:
    hinge = Layer.from_exact(AffineMap.from_fractions([[Fraction(1), Fraction(2)]], [Fraction(1, 4)]))
    output = Layer.from_exact(AffineMap.from_fractions([[Fraction(factor)]], [Fraction(1)]))
    problem = in_box(Network((hinge,), output), (Definition.AFFINE_PIECES, Definition.LINEAR_REGIONS))
    result = count_regions(problem, engine=engine)
    assert [count.value for count in result.counts.values()] == [2, 2]


@pytest.mark.parametrize("whole", [False, True], ids=["generic", "ties"])
def test_polygons_and_linear_programs_find_the_same_regions(whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(12):
        problem = in_box(random_network(seed, [2, 5, 4, 3, 1], whole=whole), tuple(Definition))
        by_polygons = count_regions(problem, engine="tree")
        with monkeypatch.context() as patch:
            patch.setattr(state, "MOST_PLANAR_ROWS", 0)
            by_programs = count_regions(problem, engine="tree")
        assert by_polygons.counts == by_programs.counts
        assert by_polygons.regions_after_layer == by_programs.regions_after_layer
        assert by_polygons.statistics.lps < by_programs.statistics.lps


def test_multiples_of_a_row_and_lines_through_the_origin_take_no_exact_answers() -> None:
    rows = [[1, 2], [-2, -4], [0.5, 1], [3, -1], [1, 1]]
    network = Network.from_arrays([(rows, [0, 0, 0, 0, 0.25]), ([[1, 1, 1, 1, 1]], [0])])
    assert kinds(network).tolist() == [0, 1, 0, 6, 8]
    result = count_regions(in_box(network), engine="tree")
    assert (
        result.counts[Definition.ACTIVATION_REGIONS].value
        == count_regions(in_box(network), engine="brute").counts[Definition.ACTIVATION_REGIONS].value
    )
    assert result.statistics.exact_fallbacks == 0


def test_rows_are_multiples_only_if_they_are_exactly() -> None:
    thirds = Layer.from_exact(AffineMap.from_fractions([[Fraction(1)], [Fraction(3)]], [Fraction(1, 3), Fraction(1)]))
    near = Layer.from_arrays([[1.0], [3.0]], [1 / 3, 1.0])
    output = Layer.from_arrays([[1.0, 1.0]], [0.0])
    assert kinds(Network((thirds,), output)).tolist() == [0, 0]
    assert kinds(Network((near,), output)).tolist() == [0, 2]


@pytest.mark.parametrize("exponent", [0, 10, 20])
def test_small_features_of_a_large_box_take_no_exact_answers(exponent: int) -> None:
    network = random_network(4, [2, 8, 8, 1])
    known = count_regions(Problem(network, Box.from_bounds(-64, 64, 2), ONLY_REGIONS), engine="milp")
    box = Box.from_bounds(-64 * 2.0**exponent, 64 * 2.0**exponent, 2)
    found = count_regions(Problem(network, box, ONLY_REGIONS), engine="tree")
    assert found.counts == known.counts
    assert found.statistics.exact_fallbacks == 0


def test_only_ties_take_exact_answers() -> None:
    concurrent = Network.from_arrays([([[1, 0], [0, 1], [1, 1]], [0.5, 0.25, 0.75]), ([[1, 1, 1]], [0])])
    apart = Network.from_arrays([([[1, 0], [0, 1], [1, 1]], [0.5, 0.25, 0.5]), ([[1, 1, 1]], [0])])
    tied, untied = (count_regions(in_box(network), engine="tree") for network in (concurrent, apart))
    assert [result.counts[Definition.ACTIVATION_REGIONS].value for result in (tied, untied)] == [6, 7]
    assert tied.statistics.exact_fallbacks > 0
    assert untied.statistics.exact_fallbacks == 0


def without_biases(network: Network) -> Network:
    return Network.from_arrays([(layer.weights, 0 * layer.bias) for layer in network.layers])


@pytest.mark.parametrize("whole", [False, True], ids=["generic", "ties"])
@pytest.mark.parametrize("sizes", [(6, 3, 3, 1), (5, 4, 2, 2, 1), (4, 3, 4, 2)])
def test_cones_are_counted_in_the_rank_of_the_first_layer(sizes: tuple[int, ...], whole: bool) -> None:
    for seed in range(4):
        network = without_biases(random_network(seed, sizes, whole=whole))
        problem = Problem(network, Box.from_bounds(-0.5, 2, sizes[0]), tuple(Definition))
        smaller = cones(problem.free)
        assert smaller is not None
        assert smaller.problem.network.inputs == np.linalg.matrix_rank(network.hidden[0].weights)
        found, known = (count_regions(problem, engine=engine) for engine in ("tree", "brute"))
        assert found.counts == known.counts
        assert found.regions_after_layer == known.regions_after_layer
        if not whole and len(network.hidden) == 2:
            only = count_regions(Problem(network, problem.domain, ONLY_REGIONS), engine="tree")
            assert only.statistics.exact_fallbacks == 0


def test_points_found_in_fewer_coordinates_are_in_their_regions() -> None:
    network = without_biases(random_network(3, (7, 4, 3, 1)))
    problem = Problem(network, Box.from_bounds(-0.01, 0.02, 7), (Definition.CLOSED_LINEAR_REGIONS,)).free
    preactivations = Preactivations(problem)
    (reached,) = Enumeration(problem, Cube(), Budget()).reached()
    assert ((reached.points >= -0.01) & (reached.points <= 0.02)).all()
    for pattern, point in zip(reached.patterns, reached.points, strict=True):
        assert preactivations.pattern_at(RationalPoint.from_floats(point)) == (pattern.tobytes(), True)


@pytest.mark.parametrize(
    ("bias", "lower"), [(0.0, 0.0), (1e-300, -1.0)], ids=["origin in a corner", "a bias that is nearly zero"]
)
def test_only_cones_around_the_origin_are_counted_in_fewer_coordinates(bias: float, lower: float) -> None:
    network = Network.from_arrays([(np.ones((2, 4)), [bias, 0]), ([[1, 1]], [0])])
    assert cones(Problem(network, Box.from_bounds(lower, 1, 4)).free) is None


def test_cones_whose_coordinates_float64_cannot_hold_are_counted_in_those_of_the_box() -> None:
    rows = [[1e-200, 0, 0], [0, 1, 0], [1e200, 1, 0]]
    network = Network.from_arrays([(rows, [0, 0, 0]), ([[1, 1, 1]], [0])])
    problem = Problem(network, Box.from_bounds(-1, 1, 3), ONLY_REGIONS)
    assert cones(problem.free) is None
    assert count_regions(problem, engine="tree").counts == count_regions(problem, engine="brute").counts


def test_networks_without_biases_take_few_exact_answers() -> None:
    layers = [(w, 0 * b) for w, b in ((layer.weights, layer.bias) for layer in random_network(6, [3, 6, 3, 1]).layers)]
    result = count_regions(in_box(Network.from_arrays(layers)), engine="tree")
    known = count_regions(in_box(Network.from_arrays(layers)), engine="brute")
    assert result.counts == known.counts
    assert result.statistics.exact_fallbacks < result.statistics.lps / 5


NETWORKS = {
    "generic": random_network(7, [3, 6, 5, 1]),
    "ties": random_network(8, [2, 5, 4, 1], whole=True),
    "leaky ties": random_network(9, [3, 5, 4, 2], leaky_relu(0.5), whole=True),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_cubes_of_any_depth_add_up(name: str) -> None:
    problem = in_box(NETWORKS[name]).free
    whole = TreeEngine().settle(problem, Cube(), Budget())
    for depth in range(1, 6):
        cubes = [Cube(bytes(prefix)) for prefix in product((0, 1), repeat=depth)]
        assert sum(TreeEngine().settle(problem, cube, Budget()).regions for cube in cubes) == whole.regions


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("budget", [Budget(regions=1), Budget(regions=3), Budget(seconds=1e-9)])
def test_a_stopped_search_leaves_cubes_inside_its_own_that_hold_the_rest(name: str, budget: Budget) -> None:
    problem = in_box(NETWORKS[name]).free
    whole = TreeEngine().settle(problem, Cube(), Budget())
    frontier, regions, prefixes, stops = [OpenCube(Cube(), 1, 2**20)], 0, [0] * len(whole.prefixes), 0
    while frontier:
        given = frontier.pop()
        stops += 1
        settled = TreeEngine().settle(problem, given.cube, budget if stops < 200 else Budget())
        assert all(one.cube.symbols.startswith(given.cube.symbols) for one in settled.open)
        frontier += settled.open
        regions += settled.regions
        prefixes = [a + b for a, b in zip(prefixes, settled.prefixes, strict=True)]
        found, at_most = (sum(getattr(one, bound) for one in frontier) for bound in ("found", "at_most"))
        assert regions + found <= whole.regions <= regions + at_most
    assert (regions, tuple(prefixes)) == (whole.regions, whole.prefixes)


def test_a_pulse_alone_does_not_hand_an_undivided_cube_back() -> None:
    touching = Network.from_arrays([([[1, 1], [1, -1], [1, 0]], [-2, -2, 0]), ([[1, 1, 1]], [0])])
    settled = TreeEngine().settle(in_box(touching).free, Cube(), Budget(pulse=lambda found: True))
    assert all(one.cube.depth > 0 for one in settled.open)


@pytest.mark.parametrize("name", NETWORKS)
def test_threads_find_the_same_counts(name: str) -> None:
    problem = Problem(NETWORKS[name], Box.from_bounds(-1, 1, NETWORKS[name].inputs))
    alone, together = (count_regions(problem, engine="tree", workers=workers) for workers in (1, 3))
    assert alone.counts == together.counts
    assert alone.regions_after_layer == together.regions_after_layer


def test_a_network_of_linear_rows_only_is_one_region() -> None:
    straight = Activation.of([], [Fraction(1, 3)], 2)
    layers = tuple(Layer.from_arrays([[1, 2], [3, 4]], [0, 1], activations=(straight,)) for _ in range(2))
    network = Network(layers, Layer.from_arrays([[1, 1]], [0]))
    result = count_regions(Problem(network, Box.from_bounds(-1, 1, 2)), engine="tree")
    assert [count.value for count in result.counts.values()] == [1, 1, 1]
