"""The folder that is put on the PYTHONPATH of child processes: see ``finder.py``."""
