"""Pictures of a subject moved to a commanded mesh: control mesh, raster, warp field."""
