"""Engines: functions that settle cubes. All give the same number on the same problem."""
