"""Tests of backups, restores and upgrades, step by step."""
