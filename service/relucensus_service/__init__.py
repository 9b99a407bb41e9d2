"""The HTTP service: job store, runner and API around the relucensus library."""
