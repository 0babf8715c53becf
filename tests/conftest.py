"""What is not collected: modules that register something when they are imported, for one test alone."""

collect_ignore_glob = ["toys/*"]
