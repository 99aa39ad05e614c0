"""A Slurm of one node on this machine, for tests and for trying things by hand.

::

    with running() as cluster:
        subprocess.run(["sbatch", "--wrap", "hostname"], env=os.environ | cluster.environment)

Real daemons from Debian's packages (``apt-get install --no-install-recommends slurm-wlm munge``),
as root, without systemd, cgroups or accounting. `bin/sacct` answers for the accounting that is not
there, on any cluster without one.
"""

from tests.slurm.cluster import Cluster, missing, running

__all__ = ["Cluster", "missing", "running"]
