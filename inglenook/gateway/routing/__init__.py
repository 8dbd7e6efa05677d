"""Routes: a model name that people use, and the targets behind it.

definition   what a route says, and what is wrong with it
conditions   may this target take this call?      (pure)
strategies   in what order are targets asked?     (pure)
failures     what does an error mean for a plan?  (pure)
health       how is a target: busy, slow, failing, resting
targets      models of the catalogue with their keys and health
live         every route in memory, compiled; what a call's name means
plan         whom to ask next: one object a call
reasons      the same decisions as a header
explain      a dry run of all that
service      the table behind it; api, schemas, tables, errors as everywhere
"""
