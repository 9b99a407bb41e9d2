"""Train the digits networks and write them as .npz files. Runs in the peers' environment, which has scikit-learn.

64 inputs: the 8x8 digits of scikit-learn, scaled to [0, 1]. 784 inputs: the same digits enlarged to 28x28.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from networks import Case, save


def trained(name: str, inputs: int, hidden: tuple[int, ...], seed: int) -> Case:
    """A classifier of digits on the box of all pictures, [0, 1]^inputs."""
    pictures, labels = load_digits(return_X_y=True)
    pictures = pictures / 16
    if inputs == 784:
        enlarged = [zoom(picture.reshape(8, 8), 3.5, order=1).ravel() for picture in pictures]
        pictures = np.array(enlarged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the training stopped at its number of epochs
        model = MLPClassifier(hidden, random_state=seed, max_iter=200, alpha=1e-4).fit(pictures, labels)
    layers = [
        (np.ascontiguousarray(weights.T, dtype=np.float32), bias.astype(np.float32))
        for weights, bias in zip(model.coefs_, model.intercepts_, strict=True)
    ]
    print(f"{name}: accuracy {model.score(pictures, labels):.3f} on the pictures it was trained on", file=sys.stderr)
    return Case(name, layers, (0.0,) * inputs, (1.0,) * inputs)


def main() -> None:
    """Arguments: the file to write, inputs, seed, and the hidden widths."""
    path, inputs, seed, *hidden = sys.argv[1:]
    save(Path(path), trained(Path(path).stem, int(inputs), tuple(map(int, hidden)), int(seed)))


if __name__ == "__main__":
    main()
