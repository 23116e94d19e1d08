"""Runs on disk: streamed while they go on, readable at any time, resumable after whatever stopped them."""
