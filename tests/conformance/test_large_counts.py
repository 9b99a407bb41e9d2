"""More than a million regions are counted in little memory."""

import subprocess
import sys

MOST_BYTES = 2 * 10**9
COUNTED = """
import resource
resource.setrlimit(resource.RLIMIT_AS, ({most}, {most}))
import numpy as np
from relucensus import Box, Network, Problem, count_regions

rng = np.random.default_rng(0)
hyperplanes = (rng.normal(size=(20, 20)), rng.normal(size=20) / 1000)
network = Network.from_arrays([hyperplanes, (np.ones((1, 20)), [0])])
result = count_regions(Problem(network, Box.from_bounds(-1, 1, 20), ("activation_regions",)), engine="tree")
print(next(iter(result.counts.values())).value, result.statistics.peak_memory_bytes)
"""


def test_a_million_orthants_are_counted_in_little_memory() -> None:
    """Twenty independent hyperplanes that meet inside the box divide it into 2**20 regions."""
    ended = subprocess.run(
        [sys.executable, "-c", COUNTED.format(most=MOST_BYTES)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    regions, peak = (int(number) for number in ended.stdout.split())
    assert regions == 2**20
    assert peak < MOST_BYTES / 2
