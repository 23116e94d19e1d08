collect_ignore = ["brian2_numbers.py"]  # it needs Brian2, which the tests do not
