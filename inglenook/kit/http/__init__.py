"""Safe and fast HTTP to the outside."""
