"""How fast postshake is, next to what it stands on and to what it competes with.

``python -m benches`` measures everything in one process and one run: see `contest`
for how, `cases` for what, `floor` for what nobody can undercut.
"""
