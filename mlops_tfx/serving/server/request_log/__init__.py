"""Request logging: sampled requests as PredictionLogs and as tf.Examples, in folders that pipelines read."""
