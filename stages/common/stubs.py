"""What a checkpoint's pickle may name, and the inert things that stand for it.

Nothing is imported and nothing of the file's choosing is called: a name in `ALLOWED` becomes a
`Named`, and "calling" it is a function of this module that builds plain values, a `TensorRef`, or
an `Instance` that only keeps what the pickle says.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from stages.common import rebuilding
from stages.common.inert import Instance, Named, Refused, plain_key, shown
from stages.common.rebuilding import whole_number
from stages.common.tensors import ITEMSIZE, STORAGE_DTYPE

MAX_NAME = 200
"""Characters of a module, and of a name in it, that are looked at."""

MAX_PATH = 4096
"""Characters of a path, as on Linux; its parts can be one text that is named again and again."""


def _from_type(function: Any, _kind: Any, args: Any, _state: Any) -> Any:
    if not isinstance(function, Named) or not function.name.startswith("_rebuild_tensor"):
        raise Refused("a tensor subclass")
    return call(function, args)


def _dict(*args: Any) -> dict[Any, Any]:
    """Stand for dict, OrderedDict and defaultdict, whose contents come item by item."""
    if any(not isinstance(arg, Named) for arg in args):
        raise Refused("a dict made from other than its items")
    return {}


def _encode(text: Any, encoding: Any) -> bytes:
    """Stand for what protocol 2 writes bytes with."""
    if not isinstance(text, str) or encoding != "latin1":
        raise Refused(f"bytes encoded as {shown(encoding)}")
    return text.encode("latin-1")


def _path(*parts: Any) -> str:
    if any(not isinstance(part, str) for part in parts):
        raise Refused("a path that is not made of text")
    if sum(map(len, parts)) + len(parts) > MAX_PATH:
        raise Refused(f"a path of more than {MAX_PATH} characters")
    return str(PurePosixPath(*parts))


def _device(kind: Any, index: Any = None) -> str:
    return shown(kind) if index is None else f"{shown(kind)}:{whole_number(index)}"


def _set(items: Any = ()) -> set[Any]:
    return set(map(plain_key, items))


def _bytes() -> bytes:
    return b""


_CODES = "f2=e f4=f f8=d b1=? i1=b i2=h i4=i i8=q u1=B u2=H u4=I u8=Q"
_NUMPY = dict(pair.split("=") for pair in _CODES.split())
"""How `struct` spells numpy's dtypes."""


def _numpy_scalar(dtype: Any, content: Any) -> float | int | bool:
    if not isinstance(dtype, Instance) or dtype.state.get("order") not in ("<", "|"):
        raise Refused("a numpy scalar without a little-endian dtype")
    code = dtype.args[0] if dtype.args else None
    if not isinstance(code, str) or code not in _NUMPY or not isinstance(content, bytes):
        raise Refused(f"a numpy scalar of dtype {shown(code)}")
    number: float | int | bool = struct.unpack(f"<{_NUMPY[code]}", content)[0]
    return number


def _reconstructor(kind: Any, _base: Any, _state: Any) -> Any:
    """Stand for how protocols 0 and 1 make an object."""
    return new(kind, ())


_NODES = "AnyNode StringNode IntegerNode FloatNode BooleanNode BytesNode PathNode EnumNode"
_BUILTINS = "dict list tuple set frozenset int long str unicode float bool bytes object type"
_TYPES = "Any Dict List Tuple Optional Union"

_Stub = Callable[..., Any]

_BUILTIN_MODULES = ("builtins", "__builtin__")
_PATHS = [
    f"{module}.{name}"
    for module in ("pathlib", "pathlib._local")
    for name in ("Path", "PosixPath", "PurePath", "PurePosixPath")
]

_CALLED: Mapping[str, _Stub] = {
    "torch._utils._rebuild_tensor": rebuilding.tensor_v1,
    "torch._utils._rebuild_tensor_v2": rebuilding.tensor_v2,
    "torch._utils._rebuild_tensor_v3": rebuilding.tensor_v3,
    "torch._utils._rebuild_parameter": rebuilding.parameter,
    "torch._utils._rebuild_parameter_with_state": rebuilding.parameter,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch.Size": rebuilding.lengths,
    "torch.device": _device,
    "collections.OrderedDict": _dict,
    "collections.defaultdict": _dict,
    "_codecs.encode": _encode,
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
    "copyreg._reconstructor": _reconstructor,
    "copy_reg._reconstructor": _reconstructor,
    **dict.fromkeys(_PATHS, _path),
    **dict.fromkeys((f"{module}.set" for module in _BUILTIN_MODULES), _set),
    **dict.fromkeys((f"{module}.frozenset" for module in _BUILTIN_MODULES), _set),
    **dict.fromkeys((f"{module}.bytes" for module in _BUILTIN_MODULES), _bytes),
}
"""What may be called, and what stands for the call."""

_MADE = (
    {"omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig"}
    | {"omegaconf.base.ContainerMetadata", "omegaconf.base.Metadata", "omegaconf.base.UnionNode"}
    | {f"omegaconf.nodes.{name}" for name in _NODES.split()}
    | {"numpy.dtype", "types.GenericAlias"}
    | {"operator.getitem", "_operator.getitem", "functools.reduce", "__builtin__.reduce"}
    | {f"{module}.type" for module in _BUILTIN_MODULES}
)
"""What gives an `Instance`: kept as it is described, understood (or dropped) by `plain`.

The functions among them are how Python pickles the types ``Optional[int]``, ``int | None`` and
``list[int]``, which OmegaConf's metadata holds; they are never applied.
"""

ALLOWED: frozenset[str] = (
    frozenset(_CALLED)
    | _MADE
    | {f"{module}.{name}" for module in _BUILTIN_MODULES for name in _BUILTINS.split()}
    | {"operator.or_", "_operator.or_"}
    | {f"typing.{name}" for name in _TYPES.split()}
    | {f"torch.{name}" for name in (*STORAGE_DTYPE, *ITEMSIZE)}
    | {"torch.storage.UntypedStorage", "torch.UntypedStorage", "torch.Tensor"}
    | {"torch.nn.parameter.Parameter"}
)
"""Every name that a pickle may hold."""

_NAMED = {full: Named(*full.rsplit(".", 1)) for full in ALLOWED}
_STUBS = {_NAMED[full]: stub for full, stub in _CALLED.items()}
_CLASSES = {_NAMED[full] for full in _MADE}


def named(module: str, name: str) -> Named:
    """Give the stand-in for a name, when a checkpoint may hold it."""
    full = f"{module[:MAX_NAME]}.{name[:MAX_NAME]}"
    if full not in _NAMED:
        raise Refused(f"the name {shown(full)}")
    return _NAMED[full]


def call(function: Any, args: Any) -> Any:
    """Give what stands for ``function(*args)``."""
    if not isinstance(function, Named) or type(args) is not tuple:
        raise Refused("a call of what is no name")
    if function in _STUBS:
        try:
            return _STUBS[function](*args)
        except (TypeError, struct.error, UnicodeError):
            raise Refused(
                f"a call of {function} with other arguments than torch gives it"
            ) from None
    return new(function, args)


def new(kind: Any, args: Any) -> Any:
    """Give what stands for a new object of the class ``kind``."""
    if not isinstance(kind, Named) or type(args) is not tuple:
        raise Refused("an object of what is no class")
    if kind in _CLASSES:
        return Instance(kind, args)
    if kind in _STUBS:
        return call(kind, args)
    raise Refused(f"an object of the class {kind}")


def build(target: Any, state: Any) -> None:
    """Give an object its state; the attributes of a state_dict (``_metadata``) are dropped."""
    if isinstance(target, dict):
        return
    if not isinstance(target, Instance):
        raise Refused("a state for what has none")
    if str(target.of) == "numpy.dtype":
        state = {"order": state[1]}
    if not isinstance(state, dict):
        raise Refused(f"a state that is no dict, for {target.of}")
    target.state.update(state)
