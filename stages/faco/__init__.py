"""FaCo-Net: from mouth and eyes to the dense face."""
