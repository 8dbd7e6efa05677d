"""The portal to conversations: asks models, keeps what they answer, and offers it over HTTP."""
