"""How fast the export is, how much memory it takes, and where its time goes: ``make bench``."""
