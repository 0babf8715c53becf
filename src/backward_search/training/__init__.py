"""The training of the network: recipe, epochs, checkpoints, processes."""
