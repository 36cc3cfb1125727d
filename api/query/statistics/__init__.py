"""Answering statistics: what a query string asks for, places to go on from, and answers."""
