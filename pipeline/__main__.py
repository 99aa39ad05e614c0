"""``python -m pipeline``."""

import sys

from pipeline.app import main

sys.exit(main())
