"""The data plane: examples in every payload format, as Arrow record batches.

Read ``examples.py`` first: it is the one place that knows payload formats. Record batches are in *tf.Example form*:
every column is a ``large_list`` of ``int64``, ``float32`` or ``large_binary``; a missing feature is a null row; a
column without any value has type null.

    examples.py        shards, reading, writing, counting
    beam_examples.py   the same for Beam pipelines
    dataset.py         the same as a tf.data.Dataset (the trainer's DataAccessor)
    wire.py, decode.py Arrow columns <-> serialized tf.Examples, vectorised
    tfrecord.py        TFRecord files
    parquet.py         Parquet files of plain typed columns
    columns.py         Arrow columns <-> tf.Example form
    partition.py       which row goes to which split
    inputs.py          input files, their headers and digests
    csv_files.py       CSV to record batches in tf.Example form
    ingest.py          batches to the splits of an Examples artifact
    protos.py          schema.pbtxt, FeatureStats.pb, SchemaDiff.pb
"""
