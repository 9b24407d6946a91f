"""What ships with the project: shared weights and the digital actors."""

from stages.builtin.catalogue import BuiltinNetwork, builtin_subject, builtin_subject_names, builtin_weights

__all__ = ["BuiltinNetwork", "builtin_subject", "builtin_subject_names", "builtin_weights"]
