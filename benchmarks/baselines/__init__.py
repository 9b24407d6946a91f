"""Videos of a digital actor to compare with in Table 1, where no other system is at hand."""
