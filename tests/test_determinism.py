"""One seed is one run: in every process, on every Python at hand, in a script and in a notebook."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PROGRAM = """
from kube_edu import Cluster
c = Cluster(nodes=2, etcd_members=3, seed=11)
c.apply('''
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
''')
c.run_until(lambda: c.ready("deployment/web"), timeout=60)
c.partition(["etcd-1"], ["etcd-2", "etcd-3"])
c.crash("node-2")
c.run_for(90)
c.heal()
c.restart("node-2")
c.run_for(30)
print(len(c.trace), c.trace.digest())
"""


def run(python: str, hash_seed: str) -> str:
    """Run PROGRAM; other Pythons borrow this environment's pure-Python packages."""
    site_packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment = os.environ | {
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{site_packages}",
    }
    done = subprocess.run(
        [python, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def pythons() -> list[str]:
    """Every Python from 3.11 up on this machine but the one that runs this."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = []
    for minor in range(11, 20):
        places = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3"))
        path = str(places[-1]) if places else shutil.which(f"python3.{minor}")
        if path and f"3.{minor}" != here:
            found.append(path)
    return found


@pytest.fixture(scope="module")
def expected() -> str:
    return run(sys.executable, "0")


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_whatever_the_hash_seed(expected, hash_seed):
    assert run(sys.executable, hash_seed) == expected


@pytest.mark.parametrize("python", pythons(), ids=lambda path: path.split("/")[-3])
def test_on_every_python_at_hand(expected, python):
    assert run(python, "7") == expected


def test_in_a_notebook_kernel_as_in_a_script(expected):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PROGRAM)])
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    assert notebook.cells[0].outputs[0].text.strip() == expected


def test_inside_a_running_event_loop_as_outside(expected):
    async def cell(capture):
        scope: dict = {"print": lambda *words: capture.append(" ".join(map(str, words)))}
        exec(PROGRAM, scope)
        await asyncio.sleep(0)

    printed: list[str] = []
    asyncio.run(cell(printed))
    assert printed == [expected]
