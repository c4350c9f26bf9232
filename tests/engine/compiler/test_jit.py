"""The cache of machine code: found again, never trusted blindly, shared by processes."""

import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from engine.compiler import jit
from engine.compiler.assembly.ir import DOUBLE
from engine.compiler.assembly.module import Module
from engine.compiler.assembly.vectors import Vectors
from engine.compiler.jit import Target, compile_text, host


def doubling(factor: float = 2.0) -> str:
    def body(code: Vectors) -> None:
        code.store(code.times(code.load("%a"), factor), "%a")

    module = Module(DOUBLE)
    module.entry("run", ["%a*"], body)
    return module.text


def result(directory: Path | None, factor: float = 2.0) -> float:
    raw = np.zeros(16)
    start = -raw.ctypes.data % 64 // 8
    vector = raw[start : start + 8]
    vector[:] = 3.0
    compile_text(doubling(factor), ("run",), None, directory).function("run", 1)(vector.ctypes.data)
    return float(vector[0])


def test_code_is_kept_in_a_private_directory_and_found_again(tmp_path: Path) -> None:
    directory = tmp_path / "made" / "here"
    assert result(directory) == 6.0
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    (stored,) = directory.glob("*.o")
    written = stored.stat().st_ino
    assert result(directory) == 6.0
    assert stored.stat().st_ino == written  # not replaced
    assert result(directory, 5.0) == 15.0
    assert len(list(directory.iterdir())) == 2


def test_each_of_many_programs_finds_its_constants(tmp_path: Path) -> None:
    """Wherever the process has room: constants are read by their distance from the code."""
    programs, between = [], []
    for factor in range(80):
        programs.append(compile_text(doubling(float(factor)), ("run",), None, tmp_path / "code"))
        between.append(np.empty(2**22))  # 32 MB, never touched
    raw = np.zeros(16)
    start = -raw.ctypes.data % 64 // 8
    vector = raw[start : start + 8]
    for factor, program in enumerate(programs):
        vector[:] = 3.0
        program.function("run", 1)(vector.ctypes.data)
        assert vector.tolist() == [3.0 * factor] * 8
    assert len(between) == len(programs)


@pytest.mark.parametrize("fault", ["flipped", "cut", "empty", "swapped"])
def test_a_corrupt_object_is_compiled_anew(tmp_path: Path, fault: str) -> None:
    directory = tmp_path / "cache"
    result(directory)
    (stored,) = directory.glob("*.o")
    whole = stored.read_bytes()
    if fault == "swapped":  # a whole object, but of another program
        result(directory, 7.0)
        (other,) = set(directory.glob("*.o")) - {stored}
        broken = other.read_bytes()
    else:
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        broken = {"flipped": flipped, "cut": whole[:middle], "empty": b""}[fault]
    stored.write_bytes(broken)
    assert result(directory) == 6.0
    assert stored.read_bytes() == whole


def test_a_directory_open_to_others_is_done_without(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.warns(RuntimeWarning, match="mode 0700"):
        assert result(tmp_path) == 6.0
    assert not list(tmp_path.iterdir())


def test_a_recipe_finds_code_without_its_text(tmp_path: Path) -> None:
    def unwritten() -> str:
        raise AssertionError("the text is not needed")

    first = compile_text(doubling, ("run",), None, tmp_path / "code", recipe="doubling")
    again = compile_text(unwritten, ("run",), None, tmp_path / "code", recipe="doubling")
    assert first.function("run", 1) is not again.function("run", 1)
    assert len(list((tmp_path / "code").iterdir())) == 1
    with pytest.raises(AssertionError, match="not needed"):
        compile_text(unwritten, ("run",), None, tmp_path / "code", recipe="trebling")


def test_a_place_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(RuntimeWarning, match="not kept"):
        assert result(tmp_path / "file" / "cache") == 6.0


def test_a_cache_wiped_while_it_is_used_is_filled_again(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    result(directory)
    for path in directory.iterdir():
        path.unlink()
    assert result(directory) == 6.0
    assert len(list(directory.glob("*.o"))) == 1


def test_two_processes_fill_one_cache_at_once(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.engine.compiler.test_jit import result\n"
        "print([result(Path(sys.argv[1]), 2.0 + k) for k in range(20)])"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "cache")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    expected = str([3.0 * (2.0 + k) for k in range(20)])
    assert [process.communicate()[0].strip() for process in running] == [expected] * 2
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".o"}
    assert len(list((tmp_path / "cache").iterdir())) == 20


WAITING = """
define void @run(ptr %words) {
entry:
  %answer = getelementptr i64, ptr %words, i64 1
  %result = getelementptr i64, ptr %words, i64 2
  store volatile i64 1, ptr %words
  br label %wait
wait:
  %turn = phi i64 [ 0, %entry ], [ %next, %wait ]
  %next = add i64 %turn, 1
  %seen = load volatile i64, ptr %answer
  %heard = icmp ne i64 %seen, 0
  %tired = icmp eq i64 %next, 8589934592
  %over = select i1 %heard, i1 true, i1 %tired
  br i1 %over, label %end, label %wait
end:
  store i64 %seen, ptr %result
  ret void
}
"""


def test_other_threads_run_while_a_function_does() -> None:
    """It says that it runs, and waits for an answer; nobody could give one while it held Python's lock."""
    words = np.zeros(3, np.int64)
    run = compile_text(WAITING, ("run",), None, None).function("run", 1)
    thread = threading.Thread(target=run, args=(words.ctypes.data,))
    thread.start()
    while thread.is_alive():
        if words[0] and not words[1]:
            words[1] = 7
    assert words[2] == 7


def test_targets_tell_their_registers() -> None:
    assert host().registers in (16, 32)
    assert Target.avx2().registers in (16, 32)
    assert jit.host() is host()


class _Features:
    """What LLVM would find on another CPU."""

    def __init__(self, text: str) -> None:
        self._text = text

    def flatten(self) -> str:
        return self._text


@pytest.mark.parametrize(
    ("features", "name"),
    [("+avx,+avx2,+fma", "haswell"), ("+avx,+avx2,+fma,+avx512vl", "native"), ("+avx,-avx2,-fma", "native")],
)
def test_a_cpu_of_16_registers_has_its_code_ordered_as_for_haswell(
    features: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_name", lambda: "native")
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", lambda: _Features(features))
    assert Target.of_host().cpu == name
    assert Target.of_host().features.startswith(features)
