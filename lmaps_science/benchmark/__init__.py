"""The benchmark: cases by methods by seeds, resumable, on one machine or many.

A `suite` says what is compared, `cases` makes the measurements, `methods` the solvers; `task` runs
one of them, `runner` all of them, here or on a cluster; `store` is the folder of results, `table`
and `report` tell of it, `verification` doubts it, and `submission` packs it.
"""
