"""Engine `milp`, the reference: a MILP on HiGHS through Pyomo, with no-good cuts (Serra et al., ICML 2018)."""
