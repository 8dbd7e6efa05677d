"""Budgets: what keys, users, teams and all together may spend in a day and a month, held across servers by leases."""
