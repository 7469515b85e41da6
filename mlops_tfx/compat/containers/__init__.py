"""Components whose work is a command in a container: ``create_container_component``, in TFX's words.

component.py     create_container_component and the nodes it makes
placeholders.py  InputUriPlaceholder and its kin in the command
engines.py       runs the command: in Docker, or as a process of this machine
"""
