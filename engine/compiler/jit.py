"""From assembly text to functions that can be called; the only module that knows llvmlite."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import llvmlite
from llvmlite import binding as llvm

from engine.compiler.store import ObjectStore, default_directory


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()


def _source_digest(*places: str) -> str:
    """The digest of some of the engine's source."""
    paths = [Path(__file__).parent.parent / place for place in places]
    files = [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    return _digest(*(file.read_text() for file in files))


# All that has a part in what a recipe's text becomes. Read while it is imported, not later: an editor may
# have changed it since.
_WRITERS = _source_digest("compiler", "autograd", "nn", "randomness.py")

_LOCK = threading.Lock()  # LLVM compiles one module at a time


@dataclass(frozen=True, slots=True)
class Target:
    """The CPU that code is made for."""

    cpu: str
    features: str

    @property
    def registers(self) -> int:
        """How many vector registers it has: 32 as wide as AVX-512's, else 16 as wide as AVX2's."""
        return 32 if "+avx512vl" in self.features else 16

    @classmethod
    def of_host(cls) -> Target:
        """This machine, its widest vectors preferred."""
        features = llvm.get_host_cpu_features().flatten()
        wide = ",-prefer-256-bit" if "x86" in llvm.get_default_triple() else ""
        here = cls(llvm.get_host_cpu_name(), features + wide)
        if here.registers >= 32 or not {"+avx2", "+fma"} <= set(features.split(",")):
            return here
        # By what LLVM knows of Zen 3 it orders loads and sums of matrix kernels 4 to 8 % worse on a Zen 3.
        return replace(here, cpu=cls.avx2().cpu)

    @classmethod
    def avx2(cls) -> Target:
        """Any x86 CPU since 2013: the same bits, half the width."""
        return cls("haswell", "+avx2,+fma,+bmi,+bmi2,+avx,+sse4.2,+popcnt,+lzcnt,+f16c")


@cache
def host() -> Target:
    """This machine."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return Target.of_host()


class Compiled:
    """Machine code in memory; it lives as long as this object."""

    def __init__(self, engine: Any, names: tuple[str, ...]) -> None:
        self._engine = engine
        self._addresses = {name: engine.get_function_address(name) for name in names}

    def function(self, name: str, arguments: int) -> Any:
        """A callable that takes addresses and integers, and holds no lock while it runs."""
        function = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * arguments)(self._addresses[name])
        function.compiled = self  # type: ignore[attr-defined]  # the code lives as long as the callable
        return function


def compile_text(
    text: str | Callable[[], str],
    names: tuple[str, ...],
    target: Target | None = None,
    cache_directory: Path | None = None,
    *,
    recipe: str | None = None,
) -> Compiled:
    """The functions `names` of a module, from the cache or the compiler.

    A `recipe` says all that the text depends on besides this package's own source. With one, code that is
    in the cache is found without its text, which takes longer to write than to load what it became.
    """
    here = host()  # also wakes LLVM
    target = target or here
    store = ObjectStore.at(cache_directory or default_directory())
    if recipe is None or store is None:
        text = recipe = text if isinstance(text, str) else text()
    else:
        recipe = f"{_WRITERS}\n{recipe}"
    key = _digest(
        llvmlite.__version__, llvm.get_default_triple(), target.cpu, target.features, *names, recipe
    )
    known = store.read(key) if store else None
    with _LOCK:
        # A small code model: constants are read by their distance from the code, not by an address each.
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=target.cpu, features=target.features, opt=2, codemodel="small"
        )
        code = known or _machine_code(text if isinstance(text, str) else text(), machine)
        # llvmlite's own manager of memory lays constants beside their code, within that distance.
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine, use_lmm=True)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
    if store and known is None:
        store.write(key, code)
    return Compiled(engine, names)


def _machine_code(text: str, machine: Any) -> bytes:
    module = llvm.parse_assembly(text)
    inlining = llvm.create_new_module_pass_manager()
    inlining.add_always_inliner_pass()
    inlining.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    code: bytes = machine.emit_object(module)
    return code
