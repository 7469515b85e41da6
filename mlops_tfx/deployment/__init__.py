"""Pushed models: versions in the folder that a server watches.

versions.py   pushes a version, whole or not at all
lineage.py    where a version came from, in files beside it
listing.py    what is pushed, blessed and served
rollback.py   goes back to an earlier version
"""
