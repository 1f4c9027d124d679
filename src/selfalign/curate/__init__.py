"""Curation: from responses that passed execution to the training set, with a reason for every dropped row."""
