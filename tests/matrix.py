"""Resolve, install and test the package on each supported Airflow and Python; ``make matrix``.

One environment a line of :data:`MATRIX`, below ``build/matrix``; the last line has the lowest version of every direct
dependency, since an existing deployment has older ones than ours. Interpreters are found by uv. ``--browser`` runs the
tests of the page in Airflow instead; Chromium is what ``scripts/system-packages browser`` installs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / "build" / "matrix"
#: What must pass everywhere: the steps, the glue and the DAGs in a real Airflow.
TESTS = (
    "tests/conversions",
    "tests/ledger",
    "tests/delivery",
    "tests/config",
    "tests/glue",
    "tests/plugin",
    "tests/integration/test_daily_dag.py",
    "tests/integration/test_example_dags.py",
    "tests/cli/test_demo.py",
)
#: The demo as a whole runs here on every Airflow; beside the tests .ci/run starts it as `make demo`.
_MARKS = "not campaign and not deployment and not browser"
#: What ``--browser`` runs instead.
_BROWSER_TESTS = ("tests/browser",)


@dataclass(frozen=True)
class Line:
    """One combination.

    Attributes:
        airflow: its version, as a prefix.
        python: the interpreter's minor version.
        resolution: uv's ``--resolution``.
        pins: what is held down beside Airflow; what only the tests need would lift it.
        prerelease: uv's ``--prerelease``: whether a beta of Airflow will do.
    """

    airflow: str
    python: str
    resolution: str = "highest"
    pins: tuple[str, ...] = ()
    prerelease: str = "if-necessary-or-explicit"

    @property
    def name(self) -> str:
        suffix = "" if self.resolution == "highest" else f"-{self.resolution}"
        return f"airflow-{self.airflow}-py{self.python}{suffix}"


MATRIX = (
    Line("3.1", "3.11"),
    Line("3.1", "3.13"),
    # What Airflow 3.2 was made with; with the later ones its task API is not made.
    Line("3.2", "3.12", pins=("fastapi<0.137", "starlette<1")),
    Line("3.3", "3.12"),
    Line("3.3", "3.13"),
    Line("3.4", "3.13", prerelease="allow"),
    # Airflow 3.1.0 itself does not import beside today's structlog; its last patch does.
    Line("3.1.8", "3.11", "lowest-direct", ("apache-airflow-providers-common-compat==1.12.*", "pydantic==2.11.*")),
)


def main() -> None:
    """Run the lines that are asked for, and say at the end which passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(line.name for line in MATRIX)}; all without")
    parser.add_argument("--tests", nargs="+", help="these tests")
    parser.add_argument("--browser", action="store_true", help="the page in a browser")
    arguments = parser.parse_args()
    tests = arguments.tests or (_BROWSER_TESTS if arguments.browser else TESTS)
    if unknown := set(arguments.names) - {line.name for line in MATRIX}:
        parser.error(f"no line of the matrix: {', '.join(sorted(unknown))}")
    chosen = [line for line in MATRIX if not arguments.names or line.name in arguments.names]
    results = {line.name: _run(line, tests, browser=arguments.browser) for line in chosen}
    for name, passed in results.items():
        print(f"{name:32} {'passed' if passed else 'FAILED'}")
    sys.exit(0 if all(results.values()) else 1)


def _run(line: Line, tests: tuple[str, ...], *, browser: bool) -> bool:
    home = ENVIRONMENTS / line.name
    python = home / "bin" / "python"
    lock = ENVIRONMENTS / f"{line.name}.txt"
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    pins = ENVIRONMENTS / f"{line.name}.pins"
    airflow = f"apache-airflow=={line.airflow}{'.*' if line.airflow.count('.') < 2 else ''}"
    pins.write_text("".join(f"{pin}\n" for pin in (airflow, *line.pins)))
    uv = [sys.executable, "-m", "uv"]
    groups = ["--group", "test", *(["--group", "browser"] if browser else [])]
    steps = (
        [*uv, "pip", "compile", "pyproject.toml", *groups, "--python-version", line.python,
         "--resolution", line.resolution, "--prerelease", line.prerelease,
         "--constraint", str(pins), "--no-emit-index-url", "--quiet", "-o", str(lock)],
        [*uv, "venv", "--quiet", "--allow-existing", "--python", line.python, str(home)],
        [*uv, "pip", "sync", "--quiet", "--python", str(python), str(lock)],
        [*uv, "pip", "install", "--quiet", "--python", str(python), "--no-deps", "--editable", "."],
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "browser" if browser else _MARKS, *tests],
    )  # fmt: skip
    print(f"== {line.name}", flush=True)
    return all(subprocess.run(step, cwd=ROOT, check=False).returncode == 0 for step in steps)


if __name__ == "__main__":
    main()
