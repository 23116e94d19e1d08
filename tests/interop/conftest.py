collect_ignore = ["sonata_numbers.py"]  # it needs NEST, which the tests do not
