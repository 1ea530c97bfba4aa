"""Suites of `lmaps benchmark run`, one YAML each."""
