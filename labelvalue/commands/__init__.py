"""Commands: what is shared by them, and those on imports, plans and projects; :mod:`labelvalue.cli` has the others."""
