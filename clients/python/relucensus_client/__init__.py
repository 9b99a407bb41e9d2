"""HTTP client and command line of the relucensus service."""
