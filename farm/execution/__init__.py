"""Where stages run: replicas in this process or as Ray actors, behind one protocol."""
