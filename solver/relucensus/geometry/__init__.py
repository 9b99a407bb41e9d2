"""Regions as geometry: polygons, breakpoints, volumes, boundaries, and distances to them."""
