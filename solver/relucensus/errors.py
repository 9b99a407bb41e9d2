"""What can go wrong, in one tree.

    CensusError
    ├── InvalidNetwork        (ValueError)    the weights do not make a network
    ├── InvalidDomain         (ValueError)    the box does not fit, is empty or is not finite
    ├── InvalidRequest        (ValueError)    an option that does not exist or does not make sense
    ├── UnsupportedModel      (ValueError)    a readable file whose network this project does not count
    │   ├── RefusedFormat                     a kind of file that is never read: pickled objects, TorchScript
    │   └── AmbiguousModel                    a file that may be read in several ways, which the message lists
    ├── UnreadableModel       (ValueError)    a file that is not what it claims to be
    ├── UnsupportedProblem    (ValueError)    an engine or definition that cannot serve this problem
    ├── InvalidCertificate    (ValueError)    a certificate that does not prove what it claims
    │   ├── UnreadableCertificate             a file that is not a certificate of a known version
    │   └── OtherCertificate                  a certificate of another network or domain
    ├── Disagreement          (RuntimeError)  two engines found different counts: a bug, never hidden
    ├── SolverFailure         (RuntimeError)  a solver gave no usable answer where one must exist
    └── MissingPackage        (ImportError)   an optional package that is not installed

A limit that was reached is not here: it is a result (`Status.LOWER_BOUND`), not an error.
"""

from collections.abc import Sequence


class CensusError(Exception):
    """Root of every error this library raises on purpose; its text is meant for the user."""


class InvalidNetwork(CensusError, ValueError):
    """The weights do not make a network: shapes that do not chain, NaN, no input."""


class InvalidDomain(CensusError, ValueError):
    """The domain is not a finite closed box of the network's dimension."""


class InvalidRequest(CensusError, ValueError):
    """An option has a value that does not exist or does not make sense."""


class UnsupportedModel(CensusError, ValueError):
    """The file was read, but holds something whose regions are not counted (a convolution, a sigmoid)."""


class RefusedFormat(UnsupportedModel):
    """The file is of a kind that is never read: pickled objects, TorchScript, archives of programs."""


class AmbiguousModel(UnsupportedModel):
    """The file may be read in several ways; `option` is the name of what has to be said, `choices` what it may be.

    `option` is a field of `relucensus.readers.Choices`.
    """

    def __init__(self, message: str, *, option: str, choices: Sequence[str]) -> None:
        flag = f"--{option.replace('_', '-')}"
        named = ", ".join(choices)
        super().__init__(f"{message}; say which with {option} ({flag} on the command line): {named}")
        self.option = option
        self.choices = tuple(choices)


class UnreadableModel(CensusError, ValueError):
    """The bytes are not a model file of the accepted formats, or are damaged."""


class UnsupportedProblem(CensusError, ValueError):
    """The engine or the definition asked for cannot serve this problem."""


class InvalidCertificate(CensusError, ValueError):
    """The certificate does not prove what it claims; the text names the first place that fails, and says why."""


class UnreadableCertificate(InvalidCertificate):
    """The file is not a certificate, or not of a version that is known."""


class OtherCertificate(InvalidCertificate):
    """The certificate is of another network, or of another domain than the one asked for."""


class Disagreement(CensusError, RuntimeError):
    """Two engines gave different exact counts of the same problem."""


class SolverFailure(CensusError, RuntimeError):
    """A solver gave no usable answer to a question that has one."""


class MissingPackage(CensusError, ImportError):
    """Something was asked for that an optional package does, which is not installed; the text says how to."""
