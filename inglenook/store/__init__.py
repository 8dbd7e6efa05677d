"""Where things are kept: the database session, migrations, base table, blobs, secrets, the data directory's lock."""
