"""One verb a file: a function from a request and the world to an Outcome. None prints; none exits."""
