"""What ships with the project: shared weights and the digital actors."""

from stages.builtin.catalogue import builtin_subject, builtin_subject_names, builtin_weights

__all__ = ["builtin_subject", "builtin_subject_names", "builtin_weights"]
