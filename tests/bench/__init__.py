"""What awsenv costs, against the bars that it holds itself to: `python -m tests.bench [ROW…]`."""
