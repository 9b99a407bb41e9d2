"""The names a request may use, for those who check a request without loading an engine or a reader."""

from typing import Final

ENGINES: Final = ("auto", "tree", "skeleton", "milp", "brute")
CERTIFYING: Final = ("auto", "tree")
STRATEGIES: Final = ("cubes", "plain")
BATCH_AXES: Final = ("first", "none")
NNET_NORMALISATIONS: Final = ("apply", "ignore")
