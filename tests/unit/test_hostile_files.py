"""Files that attack a reader, read by the library itself: an error of its own, short enough to be shown."""

import pytest

from hostile_files import FILES, Attack
from relucensus.errors import CensusError
from relucensus.readers import read_model

REFUSED = {name: attack for name, attack in FILES.items() if attack.status >= 400}


@pytest.mark.parametrize("attack", REFUSED.values(), ids=REFUSED.keys())
def test_a_hostile_file_is_refused_by_an_error_of_the_library(attack: Attack) -> None:
    with pytest.raises(CensusError) as error:
        read_model(attack.make())
    assert attack.word in str(error.value)
    assert len(str(error.value)) < 1000
