"""The runtime in C: builds without a warning, and its barrier holds under many short runs."""

from __future__ import annotations

import subprocess
from importlib import resources
from pathlib import Path

HERE = Path(__file__).parent


def test_every_thread_sees_what_all_wrote_before_a_barrier(tmp_path: Path) -> None:
    runtime = Path(str(resources.files("penstock.backends.cpu"))) / "runtime"
    sources = [runtime / "team.c", runtime / "observe.c", HERE / "team_stress.c"]
    strict = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{runtime}"]
    subprocess.run(["cc", *strict, "-o", tmp_path / "stress", *sources], check=True)
    done = subprocess.run([tmp_path / "stress"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
