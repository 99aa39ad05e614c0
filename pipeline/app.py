"""The entry point: the one place that catches errors, prints them, and ends the process."""

from __future__ import annotations

import os
import sys
import warnings

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pipeline import resolvers, schema
from pipeline.callbacks import Refusal
from pipeline.errors import OutputError, PipelineError
from pipeline.explain import explain
from pipeline.request import CONFIG, PLUGINS
from pipeline.tokens import refuse_typed

sys.path.append(str(PLUGINS))
resolvers.register()
schema.register()
# Our preset `ray` is complete; that the plugin has a config of the same name is no news to a user.
warnings.filterwarnings(
    "ignore", r"\s*'hydra/launcher/ray' is validated against ConfigStore schema"
)


@hydra.main(version_base="1.3", config_path=str(CONFIG), config_name="config")
def job(cfg: DictConfig) -> None:
    """Run one composed request; workers of a sweep import this by name."""
    from pipeline.job import release, run_of
    from pipeline.sweep import recorded

    try:
        with recorded(run_of(cfg).outputs):
            release(cfg)
    except PipelineError as error:
        if resolvers.multirun():
            raise  # the launcher must see which job failed
        raise Refusal(error) from error  # past Hydra, which would print a line of its own


def _failed(error: PipelineError) -> int:
    from pipeline.console import Terminal

    Terminal().error(str(error))
    return 1


def main() -> int:
    """Run the command line; give the exit status: 0, 1 for an error, 130 for Ctrl-C."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints three lines around each error
    try:
        refuse_typed(sys.argv[1:])
        job()
    except PipelineError as error:
        return _failed(error)
    except Refusal as refusal:
        return _failed(refusal.error)
    except (HydraException, OmegaConfBaseException) as error:
        return _failed(explain(error))
    except OSError as error:
        refused = OutputError.from_os(error, str(error.filename or "."))
        if refused is None:
            raise
        return _failed(refused)
    except KeyboardInterrupt:
        from pipeline.console import Terminal

        Terminal().error("Interrupted. What is complete stays.\nGo on with the same command.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
