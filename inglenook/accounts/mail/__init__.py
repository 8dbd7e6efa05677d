"""Letters to people: how they are written, kept until they are sent, and handed to a mail server."""
