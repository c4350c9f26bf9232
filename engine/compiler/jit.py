"""From assembly text to functions that can be called; the only module that knows llvmlite.

Machine code is kept in a directory of its own, under the digest of everything that made it. Since a
stored object is executed, the directory must belong to this user and be closed to all others, and an
object whose own digest does not match is compiled anew.
"""

from __future__ import annotations

import ctypes
import os
import stat
import tempfile
import threading
import warnings
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import llvmlite
from llvmlite import binding as llvm

CACHE_VARIABLE = "GRADHOUSE_CODE_CACHE"
"""Environment variable naming the directory of compiled code; `off` keeps nothing on disk."""

_LOCK = threading.Lock()  # LLVM compiles one module at a time
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Target:
    """The CPU that code is made for."""

    cpu: str
    features: str

    @property
    def registers(self) -> int:
        """How many vector registers it has."""
        return 16 if "+avx512vl" not in self.features and "x86" in llvm.get_default_triple() else 32

    @classmethod
    def of_host(cls) -> Target:
        """This machine, its widest vectors preferred."""
        features = llvm.get_host_cpu_features().flatten()
        wide = ",-prefer-256-bit" if "x86" in llvm.get_default_triple() else ""
        return cls(llvm.get_host_cpu_name(), features + wide)

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
    text: str, names: tuple[str, ...], target: Target | None = None, cache_directory: Path | None = None
) -> Compiled:
    """The functions `names` of a module, from the cache or the compiler."""
    here = host()  # also wakes LLVM
    target = target or here
    store = ObjectStore.at(cache_directory or default_directory())
    key = sha256(
        "\n".join((llvmlite.__version__, target.cpu, target.features, *names, text)).encode()
    ).hexdigest()
    with _LOCK:
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=target.cpu, features=target.features, opt=2
        )
        known = store.read(key) if store else None
        code = known or _machine_code(text, machine)
        if store and known is None:
            store.write(key, code)
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
    return Compiled(engine, names)


def _machine_code(text: str, machine: Any) -> bytes:
    module = llvm.parse_assembly(text)
    code: bytes = machine.emit_object(module)
    return code


def default_directory() -> Path | None:
    """Where compiled code is kept unless the caller says otherwise; None: nowhere."""
    named = os.environ.get(CACHE_VARIABLE, "")
    if named == "off":
        return None
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gradhouse" / "code"


class ObjectStore:
    """Compiled objects by key, each behind the digest of its bytes. Any fault means: compile again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @classmethod
    def at(cls, directory: Path | None) -> ObjectStore | None:
        """The store in a directory that only this user can enter, made if need be; else None, warned of."""
        if directory is None:
            return None
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = directory.lstat()
        except OSError as error:
            _warn_once(f"compiled code is not kept: {error}")
            return None
        private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
        if not private or status.st_uid != os.geteuid():
            _warn_once(f"compiled code is not kept: {directory} must be this user's own directory, mode 0700")
            return None
        return cls(directory)

    def read(self, key: str) -> bytes | None:
        """The object stored under a key, if it is whole."""
        try:
            data = (self._directory / f"{key}.o").read_bytes()
        except OSError:
            return None
        digest, code = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        return code if sha256(key.encode() + code).digest() == digest else None

    def write(self, key: str, code: bytes) -> None:
        """Stores an object; whoever comes second replaces it by the same bytes, never by half of them."""
        try:
            with tempfile.NamedTemporaryFile(dir=self._directory, delete=False) as file:
                file.write(sha256(key.encode() + code).digest() + code)
            Path(file.name).replace(self._directory / f"{key}.o")
        except OSError as error:
            _warn_once(f"compiled code is not kept: {error}")


@cache
def _warn_once(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=2)
