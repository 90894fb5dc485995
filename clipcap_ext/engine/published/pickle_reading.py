"""What a pickle of tensors, texts and tables would build, as plain data; nothing of it is run.
Torch is not needed.

A small machine over the pickle's instructions that knows those of such data and no other: no import, no
call, no object but numbers, texts, lists, dicts and descriptions of tensors.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from clipcap_ext.errors import CheckpointError

# torch's storage classes: numpy's word for the dtype, and bytes an element
STORAGES = {
    "torch.FloatStorage": ("float32", 4), "torch.HalfStorage": ("float16", 2),
    "torch.BFloat16Storage": ("bfloat16", 2),
    "torch.DoubleStorage": ("float64", 8), "torch.BoolStorage": ("bool", 1),
    "torch.ByteStorage": ("uint8", 1),
    "torch.CharStorage": ("int8", 1), "torch.ShortStorage": ("int16", 2), "torch.IntStorage": ("int32", 4),
    "torch.LongStorage": ("int64", 8),
}  # fmt: skip
DICT, PARAMETER = "collections.OrderedDict", "torch._utils._rebuild_parameter"
TENSORS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
INSIDE = "torch.storage._load_from_bytes"  # a storage in the pickle itself, as pickle.dump writes tensors
KNOWN = {DICT, PARAMETER, *TENSORS, *STORAGES}
VALUES = {
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT",
    "INT", "LONG",
}  # fmt: skip
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
MARK = object()
MOST_AXES, MOST_NUMBERS = 8, 2**40


@dataclass(frozen=True)
class StorageSpec:
    """A run of `length` numbers that a pickle points at by `key`."""

    key: str
    dtype: str
    length: int
    nbytes: int


@dataclass(frozen=True)
class TensorSpec:
    """A tensor's dtype and shape, and the storage it lies in (None where the file keeps no storages) from
    number `offset` on, `stride` numbers apart."""

    dtype: str
    shape: tuple[int, ...]
    storage: StorageSpec | None = None
    offset: int = 0
    stride: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers."""
        product = 1
        for length in self.shape:
            product *= length
        return product


Inside = Callable[[bytes], StorageSpec]


@dataclass(frozen=True)
class _Global:
    name: str


def read_pickle(stream: BinaryIO, where: str, inside: Inside | None = None) -> Any:
    """The next pickle of `stream`, which is left behind it; CheckpointError if it asks for anything but
    weights, or features and captions.

    inside: makes a storage of the bytes of one that lies in the pickle itself; None where none may.
    """
    machine = _Machine(where, inside)
    try:
        for operation, argument, _ in pickletools.genops(stream):
            machine.step(operation.name, argument)
        (value,) = machine.stack
    except CheckpointError:
        raise
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        MemoryError,
        struct.error,
    ) as error:
        reason = str(error)[:200]
        raise CheckpointError(
            f"{where} is damaged: its pickle cannot be read ({reason}). Fetch it again."
        ) from error
    return value


class _Machine:
    """The pickle's stack and memo."""

    def __init__(self, where: str, inside: Inside | None) -> None:
        self.where, self._inside = where, inside
        self._what = "features and captions" if inside else "weights"
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Carry one instruction out; CheckpointError if weights never need it."""
        if name in VALUES:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in TUPLES:
            count = TUPLES[name]
            self.stack.append(tuple(self._pop() for _ in range(count))[::-1])
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self._memo[argument])
        elif name not in ("PROTO", "FRAME", "STOP"):
            doing = getattr(self, f"_do_{name.lower()}", None)
            if doing is None:
                raise CheckpointError(
                    f"{self.where} holds more than {self._what} (the pickle instruction {name}): it is not "
                    f"opened, for such a file can run code. {self._instead}"
                )
            doing(argument)

    @property
    def _instead(self) -> str:
        if self._inside:
            return "Make the features again from the pictures."
        return "Get the weights as a plain state dict or as safetensors."

    def _pop(self) -> Any:
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a mark where a value was expected")
        return value

    def _since_mark(self) -> list[Any]:
        at = len(self.stack) - 1
        while self.stack[at] is not MARK:
            at -= 1
            if at < 0:
                raise ValueError("no mark")
        values = self.stack[at + 1 :]
        del self.stack[at:]
        return values

    def _do_mark(self, _: Any) -> None:
        self.stack.append(MARK)

    def _do_memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self.stack[-1]

    def _do_empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def _do_empty_list(self, _: Any) -> None:
        self.stack.append([])

    def _do_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _do_append(self, _: Any) -> None:
        value = self._pop()
        self.stack[-1].append(value)

    def _do_appends(self, _: Any) -> None:
        values = self._since_mark()
        self.stack[-1].extend(values)

    def _do_setitem(self, _: Any) -> None:
        value, key = self._pop(), self._pop()
        self._put([(key, value)])

    def _do_setitems(self, _: Any) -> None:
        values = self._since_mark()
        self._put(list(zip(values[::2], values[1::2], strict=True)))

    def _put(self, pairs: list[tuple[Any, Any]]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or any(type(key) not in (str, int) for key, _ in pairs):
            raise ValueError("entries of something that is no table of names")
        target.update(pairs)

    def _do_global(self, argument: str) -> None:
        name = argument.replace(" ", ".", 1)
        if name not in KNOWN and not (name == INSIDE and self._inside):
            raise CheckpointError(
                f"{self.where} asks for {name[:80]}, which {self._what} never need: it is not opened, for "
                f"such a file can run code. {self._instead}"
            )
        self.stack.append(_Global(name))

    def _do_stack_global(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        if type(module) is not str or type(name) is not str:
            raise ValueError("a name that is no text")
        self._do_global(f"{module} {name}")

    def _do_binpersid(self, _: Any) -> None:
        kind, cls, key, _place, length, *_view = self._pop()
        dtype, itemsize = STORAGES[cls.name]
        if (
            kind != "storage"
            or type(key) is not str
            or type(length) is not int
            or not 0 <= length < MOST_NUMBERS
        ):
            raise ValueError("a storage without key or length")
        self.stack.append(StorageSpec(key, dtype, length, length * itemsize))

    def _do_reduce(self, _: Any) -> None:
        arguments, function = self._pop(), self._pop()
        if function.name == DICT:
            self.stack.append({})
            if arguments:
                self._put([tuple(pair) for pair in arguments[0]])
        elif function.name == PARAMETER:
            self.stack.append(_tensor(arguments[0]))
        elif function.name in TENSORS:
            self.stack.append(_laid_out(*arguments[:4]))
        elif function.name == INSIDE and self._inside:
            self.stack.append(self._inside(*arguments))
        else:
            raise ValueError(f"a call of {function.name}")

    def _do_build(self, _: Any) -> None:
        self._pop()  # a state dict's _metadata: versions of modules
        if type(self.stack[-1]) is not dict:
            raise ValueError("attributes of something that is no table of names")


def _tensor(value: Any) -> TensorSpec:
    if not isinstance(value, TensorSpec):
        raise ValueError("a parameter that is no tensor")
    return value


def _laid_out(storage: Any, offset: Any, shape: Any, stride: Any) -> TensorSpec:
    """A tensor that fits its storage; ValueError if it claims more numbers than are there."""
    if type(shape) is not tuple or type(stride) is not tuple or not len(shape) == len(stride) <= MOST_AXES:
        raise ValueError("a tensor without a shape")
    whole = all(type(n) is int and 0 <= n < MOST_NUMBERS for n in (offset, *shape, *stride))
    if not isinstance(storage, StorageSpec) or not whole:
        raise ValueError("a tensor without a storage or a shape")
    spec = TensorSpec(storage.dtype, shape, storage, offset, stride)
    last = offset + sum((length - 1) * step for length, step in zip(shape, stride, strict=True))
    if spec.size and (last >= storage.length or spec.size > storage.length):
        raise ValueError(f"a tensor of shape {tuple(shape)} in a storage of {storage.length} numbers")
    return spec
