"""One of each thing that can be added from outside the package, in a module each."""
