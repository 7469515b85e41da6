"""FastAPI: a typed body, and a plain function, which FastAPI runs in its pool of threads."""

from __future__ import annotations

from fastapi import FastAPI
from model import Model, kind
from pydantic import create_model

from benchmarks.serving_model import ROW

TYPES = {"float32": float, "string": str, "int64": int}
Row = create_model("Row", **{name: (TYPES[kind(name)], ...) for name in ROW})
Body = create_model("Body", instances=(list[Row], ...))

app = FastAPI()
model = Model()


@app.post("/predict")
def predict(body: Body) -> dict[str, list[float]]:
    return {"predictions": model.predict_rows([row.model_dump() for row in body.instances])}
