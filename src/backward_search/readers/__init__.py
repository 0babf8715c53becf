"""What reads each data set as its owners publish it, a folder each."""
