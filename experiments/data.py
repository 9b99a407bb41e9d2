"""The data sets: points (n, inputs) with classes (n,). Each is made from a seed or shipped with scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits, make_gaussian_quantiles, make_moons

Floats = NDArray[np.float64]
Classes = NDArray[np.int64]

SPIRAL_FEATURES: Final = 7


@dataclass(frozen=True, eq=False)
class Data:
    """Points (n, inputs) and their classes (n,), from 0 to `count` - 1."""

    points: Floats
    classes: Classes
    count: int

    def __len__(self) -> int:
        return len(self.points)

    @property
    def inputs(self) -> int:
        """The number of inputs."""
        return int(self.points.shape[1])

    def split(self, tested: int, seed: int) -> tuple[Data, Data]:
        """A random division: all but `tested` points for training, the others for testing."""
        order = np.random.default_rng((seed, 2)).permutation(len(self))
        return self._taken(order[tested:]), self._taken(order[:tested])

    def with_random_classes(self, share: float, seed: int) -> Data:
        """The same points, a share of which have classes drawn at random."""
        generator = np.random.default_rng((seed, 3))
        changed = generator.permutation(len(self))[: round(share * len(self))]
        classes = self.classes.copy()
        classes[changed] = generator.integers(0, self.count, len(changed))
        return Data(self.points, classes, self.count)

    def _taken(self, chosen: NDArray[np.intp]) -> Data:
        return Data(self.points[chosen], self.classes[chosen], self.count)


def random_labels(points: int, seed: int) -> Data:
    """Points uniform on [-1, 1]^2 with one of two classes at random."""
    generator = np.random.default_rng((seed, 4))
    return Data(generator.uniform(-1, 1, (points, 2)), generator.integers(0, 2, points), 2)


def moons(points: int, seed: int) -> Data:
    """Scikit-learn's two moons with noise 0.2, brought into [-1, 1]^2."""
    found, classes = make_moons(points, noise=0.2, random_state=seed)
    return Data(_in_square(found), classes.astype(np.int64), 2)


def gaussian_quantiles(points: int, seed: int, classes: int = 3) -> Data:
    """Scikit-learn's Gaussian in rings of equal size, brought into [-1, 1]^2."""
    found, labels = make_gaussian_quantiles(n_samples=points, n_classes=classes, random_state=seed)
    return Data(_in_square(found), labels.astype(np.int64), classes)


def digits() -> Data:
    """Scikit-learn's 1,797 pictures of handwritten digits, 8 x 8 grey values in [0, 1]."""
    found, classes = load_digits(return_X_y=True)
    return Data(found / 16, classes.astype(np.int64), 10)


def spirals(points: int, seed: int) -> Data:
    """Two spirals of `points` points each, as the seven inputs of TensorFlow Playground.

    Radius and angle grow along a spiral, the second is the first turned by pi. The inputs of a point (x, y) are x, y,
    x^2, y^2, x y, sin x and sin y.
    """
    generator = np.random.default_rng((seed, 5))
    along = np.arange(points) / points
    both = []
    for turn in (0.0, np.pi):
        angle = 1.75 * along * 2 * np.pi + turn
        clean = 5 * along[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        both.append(clean + generator.uniform(-0.1, 0.1, clean.shape))
    x, y = np.concatenate(both).T
    features = np.stack([x, y, x**2, y**2, x * y, np.sin(x), np.sin(y)], axis=1)
    return Data(features, np.repeat(np.array([0, 1]), points), 2)


def _in_square(points: Floats) -> Floats:
    """Each coordinate with mean 0 and deviation 1, then all divided by the largest absolute value."""
    scaled = (points - points.mean(axis=0)) / points.std(axis=0)
    return np.asarray(scaled / np.abs(scaled).max())
