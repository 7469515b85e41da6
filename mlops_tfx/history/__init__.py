"""What a metadata store can answer: overviews, lineage, differences between runs, and what may be deleted."""
