from importlib.util import find_spec

import pytest

from tests.launchers.sweeps import Launcher, Sweep, make_sweep

PLUGINS = {"joblib": "joblib", "ray": "ray", "slurm": "submitit", "submitit_local": "submitit"}


@pytest.fixture
def launcher(request: pytest.FixtureRequest) -> Launcher:
    """The launcher that a test names as its parameter."""
    choice: str = request.param
    plugin = f"hydra_plugins.hydra_{PLUGINS[choice]}_launcher" if choice in PLUGINS else "hydra"
    if find_spec(plugin) is None:
        pytest.skip(f"the extra of hydra/launcher={choice} is not installed")
    if choice != "slurm":
        return Launcher(choice)
    return Launcher(choice, request.getfixturevalue("cluster").environment)


@pytest.fixture
def sweep(tmp_path, launcher) -> Sweep:
    """A sweep that nobody has run yet."""
    return make_sweep(tmp_path, launcher)


@pytest.fixture(scope="session")
def basic(tmp_path_factory) -> Sweep:
    """The same sweep, run by jobs one after the other."""
    sweep = make_sweep(tmp_path_factory.mktemp("expected"), Launcher("basic"))
    done = sweep.run()
    assert done.returncode == 0, done.stdout + done.stderr
    return sweep


@pytest.fixture(scope="session")
def expected(basic) -> dict[str, str]:
    """What every launcher has to release: SHA256SUMS by variant."""
    return {name.rpartition("-")[0]: sums for name, sums in basic.sums().items()}
