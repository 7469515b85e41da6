"""What the components that validate share: anomalies, distances between distributions, pairs of splits.

anomalies.py    Anomaly: what TFDV found, readable without TensorFlow
distances.py    how far apart two sets of statistics are, feature by feature
split_pairs.py  which split is compared with which
baseline.py     statistics to compare with
"""
