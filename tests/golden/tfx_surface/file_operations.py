"""A series of operations on files, each with what it gives or raises: by TFX's fileio, and by ours."""

from __future__ import annotations

import os


def perform(fileio, folder):
    """Returns the outcome of every step, by its text; places are relative to the folder."""
    return {f"{number:02} {name}": _outcome(fileio, folder, step) for number, (name, step) in enumerate(STEPS)}


def _outcome(fileio, folder, step):
    try:
        return _plain(step(fileio, lambda name: os.path.join(folder, name)), folder)
    except fileio.NotFoundError:
        return "not found"
    except Exception:
        return "error"


def _plain(value, folder):
    if isinstance(value, bytes):
        return {"bytes": _plain(value.decode(), folder)}
    if isinstance(value, str):
        return value.replace(folder, "{folder}")
    if isinstance(value, (list, tuple)):
        return [_plain(item, folder) for item in value]
    return value


def _write(fileio, path, text, mode="w"):
    with fileio.open(path, mode) as file:
        file.write(text)


def _read(fileio, path, mode="r"):
    with fileio.open(path, mode) as file:
        return file.read()


def _lines(fileio, path):
    with fileio.open(path) as file:
        return list(file)


def _walk(fileio, path, **kwargs):
    return [[folder, sorted(folders), sorted(files)] for folder, folders, files in fileio.walk(path, **kwargs)]


STEPS = [
    ("exists, before", lambda f, at: f.exists(at("a"))),
    ("makedirs", lambda f, at: f.makedirs(at("a/b/c"))),
    ("makedirs again", lambda f, at: f.makedirs(at("a/b/c"))),
    ("mkdir", lambda f, at: f.mkdir(at("a/d"))),
    ("mkdir without a parent", lambda f, at: f.mkdir(at("no/d"))),
    ("isdir", lambda f, at: [f.isdir(at("a")), f.isdir(at("no"))]),
    ("write", lambda f, at: _write(f, at("a/x.txt"), "one\ntwo\n")),
    ("append", lambda f, at: _write(f, at("a/x.txt"), "three\n", "a")),
    ("read", lambda f, at: _read(f, at("a/x.txt"))),
    ("read bytes", lambda f, at: _read(f, at("a/x.txt"), "rb")),
    ("lines", lambda f, at: _lines(f, at("a/x.txt"))),
    ("write bytes", lambda f, at: _write(f, at("a/b/y.bin"), b"\x00\x01", "wb")),
    ("read what is not there", lambda f, at: _read(f, at("no.txt"))),
    ("write below nothing", lambda f, at: _write(f, at("no/x.txt"), "")),
    ("stat", lambda f, at: f.stat(at("a/x.txt")).length),
    ("stat of a folder", lambda f, at: f.stat(at("a")).is_directory),
    ("stat of nothing", lambda f, at: f.stat(at("no"))),
    ("listdir", lambda f, at: sorted(f.listdir(at("a")))),
    ("listdir of bytes", lambda f, at: sorted(f.listdir(at("a").encode()))),
    ("listdir of nothing", lambda f, at: f.listdir(at("no"))),
    ("glob", lambda f, at: sorted(f.glob(at("a/*")))),
    ("glob of nothing", lambda f, at: f.glob(at("no/*"))),
    ("walk", lambda f, at: sorted(_walk(f, at("a")))),
    ("walk from below", lambda f, at: _walk(f, at("a"), topdown=False)[-1]),
    ("walk of nothing", lambda f, at: _walk(f, at("no"))),
    ("copy", lambda f, at: f.copy(at("a/x.txt"), at("a/z.txt"))),
    ("read the copy", lambda f, at: _read(f, at("a/z.txt"))),
    ("copy onto", lambda f, at: f.copy(at("a/x.txt"), at("a/z.txt"))),
    ("copy over", lambda f, at: f.copy(at("a/b/y.bin"), at("a/z.txt"), overwrite=True)),
    ("copy of nothing", lambda f, at: f.copy(at("no"), at("a/n"))),
    ("rename", lambda f, at: f.rename(at("a/z.txt"), at("a/w.txt"))),
    ("rename onto", lambda f, at: f.rename(at("a/w.txt"), at("a/x.txt"))),
    ("rename over", lambda f, at: f.rename(at("a/w.txt"), at("a/x.txt"), overwrite=True)),
    ("rename a folder", lambda f, at: f.rename(at("a/b"), at("a/e"))),
    ("rename nothing", lambda f, at: f.rename(at("no"), at("a/n"))),
    ("what is there now", lambda f, at: sorted(_walk(f, at("a")))),
    ("remove", lambda f, at: f.remove(at("a/x.txt"))),
    ("remove nothing", lambda f, at: f.remove(at("no"))),
    ("rmtree", lambda f, at: f.rmtree(at("a/e"))),
    ("rmtree of nothing", lambda f, at: f.rmtree(at("no"))),
    ("what is left", lambda f, at: sorted(_walk(f, at("a")))),
]
