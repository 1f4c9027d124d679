"""Foundations of all other packages: errors, records and their files, filters, lineage, configuration.

Nothing here imports another package of selfalign.
"""
