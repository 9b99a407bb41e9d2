"""What the files of stable-baselines3 say beyond their names: where the weights are, which layer ends which network."""

from __future__ import annotations

import io
import zipfile
from typing import Final

_VERSION: Final = "_stable_baselines3_version"
_POLICY: Final = "policy.pth"

ENDED_BY: Final = {
    "mlp_extractor.policy_net": "action_net",
    "mlp_extractor.value_net": "value_net",
    "actor.latent_pi": "actor.mu",
}
"""Networks and the layer that ends each, with the activation between."""

SHARED: Final = "mlp_extractor.shared_net."
"""Where layers lie that come before both networks, in versions before 1.8."""


def policy_within(data: bytes) -> bytes | None:
    """The file of weights in an archive that `model.save` of stable-baselines3 wrote; None for any other file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if _VERSION not in archive.NameToInfo or _POLICY not in archive.NameToInfo:
                return None
            record = archive.getinfo(_POLICY)
            stored = record.compress_type == zipfile.ZIP_STORED and record.file_size <= len(data)
            return archive.read(record) if stored else None
    except (zipfile.BadZipFile, EOFError, ValueError, OSError, OverflowError, RuntimeError):
        return None
