"""The fake AWS behind `awsenv demo`, which the tests use too. Only that verb and the tests import it."""
