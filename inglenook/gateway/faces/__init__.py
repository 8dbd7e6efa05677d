"""Protocol faces: each decodes requests into calls and encodes events; nothing else."""
