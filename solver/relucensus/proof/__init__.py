"""Certificates of counts: their format, and the checker, which shares no reasoning with the engines."""
