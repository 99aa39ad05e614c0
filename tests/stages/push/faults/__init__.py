"""The fault matrix of ``push=hub``: what goes wrong, and what the repository is like afterwards.

`cases` says what is to go wrong, `scene` lets it happen to a real push and looks at the repository,
`test_matrix` demands what the case says. ``make faults`` runs every case and prints the table.
"""
