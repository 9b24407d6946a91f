"""The science of the farm: speech features, motion, face, pixels and media, as functions and modules on arrays.

Usable as a plain library: nothing in here knows about jobs, stores or Ray.
"""
