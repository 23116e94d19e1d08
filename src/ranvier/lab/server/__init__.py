"""The lab's server: stores of runs, explored in a browser on the same machine."""
