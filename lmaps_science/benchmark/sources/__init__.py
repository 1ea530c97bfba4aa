"""Sources of cases, a module for each problem: embedded, of public data sets, of files."""
