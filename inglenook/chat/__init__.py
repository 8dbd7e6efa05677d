"""The portal: chatting, and everything around it."""
