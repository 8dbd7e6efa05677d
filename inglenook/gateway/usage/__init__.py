"""What was used and what it cost: figures from the ledger, how long they are kept, and who may see them."""
