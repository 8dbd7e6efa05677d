"""Who is here and what they may do: users, groups, roles, keys, sessions, grants, audit."""
