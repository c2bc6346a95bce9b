"""Mutation test: are small faults in the package caught by the tests? Not part of `make test`.

    pip install coverage
    coverage run -m pytest -q -p no:xdist -m "not integration"
    python tests/mutants.py [--n 100] [--seed 0] [--data .coverage]

The coverage run records which test executes which line. For each mutant, one operator, constant or
condition in a covered line is changed, and tests that execute the line are run until one fails.
A mutant that no test fails on survives; those are the laws that nobody wrote down."""

from __future__ import annotations

import argparse
import ast
import os
import random
import signal
import sys
import time
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}  # before torch is loaded

import coverage
import pandas  # noqa: F401 (loaded once, for all forks)
import pytest
import scipy.stats  # noqa: F401
import sklearn  # noqa: F401
import torch  # noqa: F401
import transformers  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
               ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}  # fmt: skip
ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
MOST_TESTS = 60  # that one mutant is shown to
SECONDS = 120  # that these tests may take
QUICK = ["-q", "-x", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist"]


def mutations(tree: ast.Module) -> list[ast.expr]:
    """The expressions of a module that `mutate` can change, those of annotations left out."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            part = getattr(node, field, None)
            if part is not None:
                skipped.update(id(inner) for inner in ast.walk(part))
    return [
        node
        for node in ast.walk(tree)
        if id(node) not in skipped and isinstance(node, ast.expr) and _changeable(node)
    ]


def _changeable(node: ast.expr) -> bool:
    if isinstance(node, ast.Compare):
        return type(node.ops[0]) in COMPARISONS
    if isinstance(node, ast.BinOp):
        return type(node.op) in ARITHMETIC
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bool | int | float)
    return isinstance(node, ast.BoolOp | ast.IfExp) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )


def mutate(node: ast.expr) -> str:
    """Change the expression in place; returns what it has become."""
    if isinstance(node, ast.Compare):
        node.ops[0] = COMPARISONS[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp):
        node.op = ARITHMETIC[type(node.op)]()
    elif isinstance(node, ast.Constant):
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.IfExp):
        node.body, node.orelse = node.orelse, node.body
    elif isinstance(node, ast.UnaryOp):
        node.operand = ast.UnaryOp(ast.Not(), node.operand)
    return ast.unparse(node)


def tests_of(contexts: list[str], chance: random.Random) -> list[str]:
    """Names of at most `MOST_TESTS` tests, as `-k` takes them, out of coverage's contexts."""
    names = sorted({context.rpartition(".")[2] for context in contexts if ".test_" in context})
    return chance.sample(names, min(MOST_TESTS, len(names)))


def is_caught(file: Path, source: str, arguments: list[str]) -> bool:
    """Whether a test fails on the mutated file, in a fork that has the heavy packages already; the file is restored."""
    before = file.read_text(encoding="utf-8")
    try:
        file.write_text(source, encoding="utf-8")
        child = os.fork()
        if child == 0:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            os._exit(int(pytest.main(arguments)) != 0)
        for _ in range(10 * SECONDS):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return status != 0
            time.sleep(0.1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return True
    finally:
        file.write_text(before, encoding="utf-8")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--n", type=int, default=100, help="number of mutants")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--data", default=".coverage", help="data file of the coverage run")
    given = options.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    data = coverage.CoverageData(given.data)
    data.read()
    chance = random.Random(given.seed)
    candidates = []
    for path in sorted(data.measured_files()):
        lines = data.contexts_by_lineno(path)
        covered = {line for line, contexts in lines.items() if any(".test_" in one for one in contexts)}
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
        candidates += [
            (path, place, lines[node.lineno])
            for place, node in enumerate(mutations(tree))
            if node.lineno in covered
        ]
    caught = 0
    chosen = chance.sample(candidates, min(given.n, len(candidates)))
    for number, (path, place, contexts) in enumerate(chosen, 1):
        file = Path(path)
        tree = ast.parse(file.read_text(encoding="utf-8"))
        node = mutations(tree)[place]
        before, line = ast.unparse(node), node.lineno
        after = mutate(node)
        tested = {context.rpartition(".")[0].split(".")[0] for context in contexts if ".test_" in context}
        files = sorted(f"tests/{name}.py" for name in tested if (ROOT / "tests" / f"{name}.py").exists())
        names = " or ".join(tests_of(contexts, chance))
        found = is_caught(file, ast.unparse(tree), [*QUICK, "-k", names, *files])
        caught += found
        print(
            f"{number:4} {'caught  ' if found else 'SURVIVED'} {file.relative_to(ROOT)}:{line}  {before}  ->  {after}",
            flush=True,
        )
    print(f"{caught} of {len(chosen)} mutants caught (seed {given.seed})")


if __name__ == "__main__":
    main()
