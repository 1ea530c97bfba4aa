"""LMAPS as an algorithm of InverseBench, run from its own ``main.py``.

Nothing here imports InverseBench: it hands over its operator and its network.
"""
