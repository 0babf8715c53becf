"""Pictures: opened, fitted to the network, loaded in batches, written."""
