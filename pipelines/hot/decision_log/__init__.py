"""The decision log: features, score and outcome of legs, day by day in Parquet; tomorrow's training set.

    day=2026-01-31/
      credit-….parquet    legs of that day, for any reader of Parquet
      _credit-….frames    legs that are still being added (`frames`), which readers of Parquet pass over

A worker adds to one file of frames per day and leg and turns it into Parquet when it is large, or a bundle
holds nothing older than the hour after its first row, or the job stops (`append`). `read` takes both, so a
crash loses nothing that was written. A retried bundle writes rows twice; `read` keeps one per payment.
"""
