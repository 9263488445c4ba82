"""Chapter 7: applications. Published systems, task by task, each beside a rival without a deep network."""
