"""Pushed models: versions in the folder that a server watches.

versions.py   pushes a version, whole or not at all
lineage.py    where a version came from, in files beside it
listing.py    what is pushed, blessed and served
rollback.py   goes back to an earlier version
labels.py     moves a label back, in a server's model config file
marks.py      models that are not to be pushed again
recording.py  how both are recorded
"""
