"""The two ways to a shared farm: its journal on this machine, or its server over HTTP. Commands know neither."""
