"""The way through an ONNX graph, node by node, with the tensors that later nodes still need."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from relucensus.errors import CensusError, UnreadableModel, UnsupportedModel
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import shown
from relucensus.readers.onnx.batch import check_samples_apart, refuse_batch
from relucensus.readers.onnx.branches import branch_of
from relucensus.readers.onnx.call import Call, label_of
from relucensus.readers.onnx.forms import Form, Operator
from relucensus.readers.onnx.operators.last import following
from relucensus.readers.onnx.operators.registry import operator_named, why_unread
from relucensus.readers.onnx.stored_tensors import FLOAT_TYPES, StoredTensors
from relucensus.readers.onnx.tensors import Constant, Tensor, values_in
from relucensus.values import exact_numbers

_MOST_BITS: Final = 2**14  # of a constant that is computed; of a float32 that is stored, 277 at most
_MOST_BRANCHES: Final = 1000
_IF: Final = "If"


class Walk:
    """Follows the tensors through the graph; each is dropped when no later node needs it."""

    def __init__(self, graph: Any, opsets: Mapping[str, int], stored: StoredTensors) -> None:
        """`opsets` are the versions of the operators by domain."""
        self._opsets = opsets
        self._batch = 1
        self.left_out = 0
        self._stored = stored
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        stored.float_kinds.update(_float_kinds(graph, self._initializers))
        self._computed = 0
        self._branches = 0
        self._of_branch = " of branch"
        while any(self._of_branch in name for name in _all_names(graph)):
            self._of_branch += "'"
        self._tensors: dict[str, Tensor] = {}
        self._values: dict[str, list[AffineValue]] = {}  # of those tensors that are made of values
        self._uses: Counter[str] = Counter()  # by nodes to come, and as outputs
        self._nodes = in_order(graph.node)
        self.notes: Counter[str] = Counter()

    def needed_names(self, outputs: Sequence[str]) -> set[str]:
        """The names that these outputs depend on."""
        return needed(self._nodes, outputs)[1]

    def run(self, inputs: Mapping[str, Tensor], outputs: Sequence[str], batch: int) -> list[Tensor]:
        """The tensors with these names, given those of the inputs; `batch` is their fixed batch size, or 1."""
        self._batch = batch
        for name, tensor in inputs.items():
            self._tensors[name] = tensor
            if values_in(tensor):
                self._values[name] = values_in(tensor)
        kept, _ = needed(self._nodes, outputs)
        self.left_out = len(self._nodes) - len(kept)
        waiting = [self._nodes[i] for i in reversed(kept)]
        self._uses = Counter(outputs)
        for node in waiting:
            self._uses.update(used_by(node))
        while waiting:
            node = waiting.pop()
            self._uses.subtract(used_by(node))
            with _named(node):
                if node.op_type == _IF and node.domain in ("", "ai.onnx"):
                    waiting += self._branch(node, len(waiting))
                else:
                    self._visit(node)
            self._drop(used_by(node))
        return [self._resolved(None, name) for name in outputs]  # type: ignore[misc]

    def _visit(self, node: Any) -> None:
        operator, version, form = self._form(node)
        for name in node.output:
            if name and (name in self._tensors or name in self._initializers):
                raise UnreadableModel(f"{label_of(node)} computes {shown(name)}, which is no new name")
        inputs = tuple(self._resolved(node, name) for name in node.input)
        kept = tuple(value for name, found in self._values.items() if self._uses[name] > 0 for value in found)
        call = Call(node, form, version, inputs, kept, self._batch, self._stored)
        found = self._applied(operator, call)
        for name, tensor in zip(node.output, found, strict=False):
            if name and tensor is not None:
                self._define(name, tensor)
        for name in list(node.output)[len(found) :]:
            if self._uses[name] > 0:
                call.refuse(f"gives {shown(name)}, an output that is not read")
        self._drop([*node.input, *node.output])
        self._stored.limits.check_weights(sum(value.weights for some in self._values.values() for value in some))

    def _applied(self, operator: Operator, call: Call) -> tuple[Tensor | None, ...]:
        off = following(call)
        if off is not None:
            return off
        mixing = self._batch > 1 and any(values_in(entry) for entry in call.inputs)
        if mixing:
            check_samples_apart(call)
        try:
            found = operator.apply(call)
        except OverflowError:
            call.fail("computes a number beyond the range of float64")
        found = found if isinstance(found, tuple) else (found,)
        if mixing and any(one is not None and values_in(one) and one.shape[:1] != (1,) for one in found):
            refuse_batch(call)
        return found

    def _form(self, node: Any) -> tuple[Operator, int, Form]:
        """The operator, the version of it that the file means, and what of that version is looked at."""
        operator = operator_named(node.domain, node.op_type)
        if operator is None:
            raise UnsupportedModel(f"{label_of(node)} {why_unread(node.op_type)}")
        domain = "" if node.domain in ("", "ai.onnx") else node.domain
        if domain not in self._opsets:
            raise UnreadableModel(f"{label_of(node)} is of a domain that the file does not import")
        version = version_of(operator.domain, node.op_type, self._opsets[domain])
        form = operator.forms.get(version)
        if form is None:
            known = ", ".join(str(n) for n in operator.forms)
            raise UnsupportedModel(
                f"{label_of(node)} is version {version} of the operator, in opset {self._opsets[domain]}; read are "
                f"versions {known} (onnx.version_converter.convert_version can change it)"
            )
        _check_form(node, form, self._opsets[domain])
        return operator, version, form

    def _resolved(self, node: Any, name: str) -> Tensor | None:
        if not name:
            return None
        if name in self._tensors:
            return self._tensors[name]
        if name in self._initializers:
            self._tensors[name] = self._stored.constant(self._initializers[name])
            return self._tensors[name]
        where = f"{label_of(node)} uses {shown(name)}" if node is not None else f"the output {shown(name)}"
        raise UnreadableModel(f"{where}{', which' if node is not None else ''} is computed by no node")

    def _define(self, name: str, tensor: Tensor) -> None:
        if isinstance(tensor, Constant):
            self._computed += tensor.size
            self._stored.limits.check_weights(self._computed)
            if exact_numbers.longest(tensor.entries) > _MOST_BITS:
                raise UnsupportedModel(
                    f"the constant {shown(name)} has a number of more than {_MOST_BITS} bits as an exact fraction; "
                    "export the model with its constants folded"
                )
        self._tensors[name] = tensor
        if values_in(tensor):
            self._values[name] = values_in(tensor)

    def _drop(self, names: Iterable[str]) -> None:
        """Forget those of these tensors that no later node needs."""
        for name in names:
            if self._uses[name] <= 0:
                self._tensors.pop(name, None)
                self._values.pop(name, None)

    def _branch(self, node: Any, others: int) -> list[Any]:
        """The nodes of the branch that an If takes, which come in its place, the last one first."""
        self._branches += 1
        condition = self._resolved(node, node.input[0] if node.input else "")
        if not isinstance(condition, Constant) or condition.size != 1:
            raise UnsupportedModel(
                f"{label_of(node)} branches on a value that depends on the network's input; supported is a constant"
            )
        if self._branches > _MOST_BRANCHES:
            raise UnsupportedModel(f"the graph takes more than {_MOST_BRANCHES} branches of If")
        branch, initializers = branch_of(
            node, bool(condition.entries.ravel()[0]), f"{self._of_branch} {self._branches}"
        )
        self._initializers |= initializers
        if len(branch) + others > self._stored.limits.nodes:
            raise UnsupportedModel(f"the graph has more than {self._stored.limits.nodes} nodes")
        ordered = in_order(branch)
        kept, _ = needed(ordered, [name for name in node.output if self._uses[name] > 0])
        found = [ordered[i] for i in reversed(kept)]
        for inner in found:
            self._uses.update(used_by(inner))
        self.notes["If: a branch is chosen by a constant"] += 1
        return found


class _named:  # noqa: N801 - a context that reads as a phrase
    """Says of which node an error speaks, where the error does not."""

    def __init__(self, node: Any) -> None:
        self._node = node

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Put the name of the node in front of the error's text."""
        if isinstance(error, CensusError):
            label = label_of(self._node)
            text = str(error)
            if not text.startswith(label):
                error.args = (f"{label}: {text}",)


def in_order(nodes: Sequence[Any]) -> list[Any]:
    """The nodes so that each stands behind those that it uses, as near to the given order as that allows.

    Raises:
        UnreadableModel: two nodes compute one name, or nodes use each other in a circle.
    """
    maker = _makers(nodes)
    sources = [{maker[name] for name in used_by(node) if name in maker} for node in nodes]
    users: list[list[int]] = [[] for _ in nodes]
    for i, found in enumerate(sources):
        for source in found:
            users[source].append(i)
    waiting = [len(found) for found in sources]
    ready = [i for i, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        i = heapq.heappop(ready)
        order.append(nodes[i])
        for user in users[i]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, user)
    if len(order) < len(nodes):
        stuck = next(node for node, count in zip(nodes, waiting, strict=True) if count)
        raise UnreadableModel(f"{label_of(stuck)} depends on its own result")
    return order


def _makers(nodes: Sequence[Any]) -> dict[str, int]:
    """The place of the node that computes each name."""
    found: dict[str, int] = {}
    for i, node in enumerate(nodes):
        for name in filter(None, node.output):
            if name in found:
                raise UnreadableModel(f"{label_of(node)} computes {shown(name)}, which is no new name")
            found[name] = i
    return found


def used_by(node: Any) -> Iterator[str]:
    """The names that a node uses, those within the branches of an If included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            for inner in attribute.g.node:
                yield from used_by(inner)
            yield from (entry.name for entry in attribute.g.output)


def _float_kinds(graph: Any, initializers: Collection[str]) -> Iterator[str]:
    """The types of floats that inputs have or are converted to."""
    inputs = [entry.type.tensor_type.elem_type for entry in graph.input if entry.name not in initializers]
    yield from (FLOAT_TYPES[kind] for kind in inputs if kind in FLOAT_TYPES)
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        if attribute.HasField("g"):
            yield from _float_kinds(attribute.g, ())
        elif attribute.name == "to" and attribute.i in FLOAT_TYPES:
            yield FLOAT_TYPES[attribute.i]


def _all_names(graph: Any) -> Iterator[str]:
    """The names of all tensors, those within the branches of an If included."""
    yield from (entry.name for entry in (*graph.input, *graph.initializer))
    for node in graph.node:
        yield from (*node.input, *node.output)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _all_names(attribute.g)


def needed(nodes: Sequence[Any], outputs: Sequence[str]) -> tuple[list[int], set[str]]:
    """The places of the nodes that the outputs depend on, in order, and the names that these use."""
    names = set(outputs)
    found = []
    for i in reversed(range(len(nodes))):
        if any(name in names for name in nodes[i].output if name):
            found.append(i)
            names.update(used_by(nodes[i]))
    return found[::-1], names


def version_of(domain: str, name: str, opset: int) -> int:
    """The version of an operator that an opset has; 1 for what the onnx package does not know."""
    import onnx  # noqa: PLC0415 - only an ONNX file needs it

    try:
        return int(onnx.defs.get_schema(name, opset, domain).since_version)
    except onnx.defs.SchemaError:
        if domain == "":
            raise UnreadableModel(f"opset {opset} has no operator {shown(name)}") from None
        return 1


def _check_form(node: Any, form: Form, opset: int) -> None:
    """Refuse a node with inputs or attributes that are not looked at."""
    names = Counter(attribute.name for attribute in node.attribute)
    foreign = [name for name, times in names.items() if name not in form.attributes or times > 1]
    if foreign:
        known = ", ".join(sorted(form.attributes)) or "none"
        raise UnsupportedModel(
            f"{label_of(node)} has the attribute {shown(foreign[0])}, which is not read, or twice; read in opset "
            f"{opset} are {known}"
        )
    if any(attribute.ref_attr_name for attribute in node.attribute):
        raise UnreadableModel(f"{label_of(node)} has an attribute that refers to one of a function, and is in none")
    beyond = [name for i, name in enumerate(node.input) if name and form.name_of_input(i) is None]
    if beyond:
        raise UnsupportedModel(
            f"{label_of(node)} has the input {shown(beyond[0])}, which is not read; read in opset {opset} are "
            f"{len(form.inputs)} inputs ({', '.join(form.inputs)})"
        )
