"""Batches of new prices: taken by the API, kept in a queue in the database, loaded by workers."""
