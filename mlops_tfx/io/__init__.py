"""The data plane: examples in every payload format, as Arrow record batches.

Read ``examples.py`` first: it is the one place that knows payload formats. Record batches are in *tf.Example form*:
every column is a ``large_list`` of ``int64``, ``float32`` or ``large_binary``; a missing feature is a null row; a
column without any value has type null.

    examples.py          shards: listing, reading, writing, counting
    beam_examples.py     the same for Beam pipelines
    ahead.py             reading a shard in a thread while its batches are used
    dataset.py           the same as a tf.data.Dataset (the trainer's DataAccessor)
    protos.py            schema.pbtxt, FeatureStats.pb, SchemaDiff.pb

Formats:

    columns.py           plain Arrow columns <-> tf.Example form
    schemas.py           batches in the features and types of a Schema
    wire.py              Arrow columns -> serialized tf.Examples, vectorised
    lockstep.py          serialized tf.Examples -> Arrow columns, vectorised
    decode.py            the same for whatever order of features; tf_decode.py through TensorFlow's parser
    example_proto.py     what the canonical bytes of a tf.Example are
    tfrecord.py          TFRecord files; tfrecord_shards.py writes them in a thread
    parquet.py           Parquet files of plain typed columns
    shard_folder.py      numbered files that appear when all are done

ExampleGens:

    inputs.py            input files: digests, fingerprint; spans.py: spans and versions in their patterns
    csv_inspect.py       CSV, first pass: rows and types (csv_types.py: TFX's rule); csv_errors.py: what is wrong where
    csv_files.py         CSV, second pass: rows
    import_files.py      TFRecord and Parquet files: rows
    avro.py              Avro files: rows; avro_file.py: blocks; avro_schema.py: types; avro_lockstep.py: many at once
    jsonl.py             JSON Lines files: rows; jsonl_kinds.py: types; jsonl_exact.py: what is wrong where
    compressed.py        files that may be compressed
    agreement.py         one set of columns for files that differ
    records.py           serialized records of every payload: rows (sequences.py: tf.SequenceExample)
    partition.py         which row goes to which split (time_order.py: in the order of a feature)
    ingest.py            rows to the splits of an Examples artifact
"""
